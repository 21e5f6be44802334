"""The packages; everything else is in pyproject.toml.

The fixtures stand at the top of the repository, where people look for them, and are installed
inside the package that reads them.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["reference_impl*", "conformance*"]),
        "conformance.golden.fixtures",
    ],
    package_dir={"conformance.golden.fixtures": "fixtures"},
)
