"""Reports of defects, in the form in which each project asks for them.

They are made of the record, the clause and the program that shows it; what is not known is not
said.  Those of the worst stand in ``reports/``, ready to be filed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from conformance.known.defects import Defect
from conformance.spec.clauses import clauses

WORST: Final = (
    "ncnn-pooling-negative-pads",
    "ncnn-convolution-negative-pads",
    "opencv-convolution-window-beyond-input",
    "opencv-pooling-window-beyond-input",
    "opencv-auto-pad-of-unit-strides",
    "opencv-convolution-clamped",
    "tract-auto-pad-empty-pooling",
    "mnn-convolution-in-groups",
    "mnn-convolution-negative-pads",
    "mnn-pooling-lowest",
)
"""Those that end a process, hang, or silently give wrong numbers for ordinary ones."""

_SYSTEM: Final = "Linux, x86-64, CPU; installed from the package index"


@dataclass(frozen=True)
class Form:
    """How a project asks for reports.

    Attributes:
        tracker: where they are filed.
        fields: its headings, in order, each with what is written below it: a text in which
            ``{what}``, ``{expected}``, ``{code}``, ``{versions}``, ``{cause}``, ``{seen}`` and
            ``{system}`` stand for what is known.
        level: the level of its headings.
    """

    tracker: str
    fields: Mapping[str, str]
    level: int = 3


_PLAIN: Final = {
    "What happens": "{what}\n\n{cause}",
    "What is expected": "{expected}",
    "How to reproduce": "{code}",
    "Versions": "{versions}\n\n{system}",
    "Related": "{seen}",
}
FORMS: Final[Mapping[str, Form]] = {
    "keras": Form("keras-team/keras", _PLAIN),
    "mnn": Form(
        "alibaba/MNN",
        {
            "平台 / Platform": "{system}",
            "Github版本 / Version": "{versions}",
            "编译方式 / Compiling Method": "pip install MNN",
            "问题 / Problem": "{what}\n\n{cause}\n\nExpected: {expected}",
            "复现 / How to reproduce": "{code}\n\n{seen}",
        },
    ),
    "ncnn": Form(
        "Tencent/ncnn",
        {
            "error log | 日志或报错信息 | ログ": "{what}\n\n{cause}\n\nExpected: {expected}",
            "context | 编译/运行环境 | バックグラウンド": "{versions}\n\n{system}",
            "how to reproduce | 复现步骤 | 再現方法": "{code}",
            "more | 其他 | その他": "{seen}",
        },
        level=2,
    ),
    "onnx.reference": Form(
        "onnx/onnx",
        {
            "Is the issue related to model conversion?": "No.",
            "Describe the bug": "{what}\n\n{cause}",
            "System information": "{versions}\n\n{system}",
            "Reproduction instructions": "{code}",
            "Expected behavior": "{expected}",
            "Notes": "{seen}",
        },
    ),
    "onnxruntime": Form(
        "microsoft/onnxruntime",
        {
            "Describe the issue": "{what}\n\n{cause}\n\nExpected: {expected}",
            "To reproduce": "{code}\n\n{seen}",
            "Urgency": "None.",
            "Platform": "Linux",
            "ONNX Runtime Installation": "Released Package",
            "ONNX Runtime Version or Commit ID": "{versions}",
            "ONNX Runtime API": "Python",
            "Architecture": "X64",
            "Execution Provider": "Default CPU",
        },
    ),
    "opencv": Form(
        "opencv/opencv",
        {
            "System Information": "{versions}\n\n{system}",
            "Detailed description": "{what}\n\n{cause}\n\nExpected: {expected}\n\n{seen}",
            "Steps to reproduce": "{code}",
            "Issue submission checklist": "- [x] I report the issue, it's not a question\n"
            "- [x] There is reproducer code and related data files",
        },
    ),
    "openvino": Form(
        "openvinotoolkit/openvino",
        {
            "OpenVINO Version": "{versions}",
            "Operating System": "{system}",
            "Device used for inference": "CPU",
            "Framework": "ONNX",
            "Issue description": "{what}\n\n{cause}\n\nExpected: {expected}\n\n{seen}",
            "Step-by-step reproduction": "{code}",
        },
    ),
    "tf.keras": Form(
        "tensorflow/tensorflow",
        {
            "Issue type": "Bug",
            "Source": "binary",
            "TensorFlow version": "{versions}",
            "OS platform and distribution": "{system}",
            "Current behavior?": "{what}\n\n{cause}\n\nExpected: {expected}\n\n{seen}",
            "Standalone code to reproduce the issue": "{code}",
        },
    ),
    "tflite": Form("google-ai-edge/LiteRT", _PLAIN),
    "torch.nn": Form(
        "pytorch/pytorch",
        {
            "🐛 Describe the bug": "{what}\n\n{cause}\n\nExpected: {expected}\n\n{code}\n\n{seen}",
            "Versions": "{versions}\n\n{system}",
        },
    ),
    "tract": Form("sonos/tract", _PLAIN),
    "tvm": Form(
        "apache/tvm",
        {
            "Expected behavior": "{expected}",
            "Actual behavior": "{what}\n\n{cause}",
            "Environment": "{versions}\n\n{system}",
            "Steps to reproduce": "{code}\n\n{seen}",
            "Triage": "needs-triage",
        },
    ),
}
"""The forms by implementation."""

_OTHER: Final = Form("its project", _PLAIN)


def report(defect: Defect) -> str:
    """A defect as an issue of its project: a title, an empty line, and the filled-in form."""
    record = defect.record
    family = record.implementation[0].rstrip("*").partition("[")[0]
    form = FORMS.get(family, _OTHER)
    known = {
        "what": " ".join(_sentence(one.instead) for one in (record, *defect.parts)),
        "cause": f"Cause, as far as known: {record.reason}." if record.reason else "",
        "expected": _expected(defect),
        "code": _program(record.reproducer),
        "versions": ", ".join(f"{name} {wanted}" for name, wanted in record.versions.items()),
        "system": _SYSTEM,
        "seen": _seen(record.report),
    }
    lines = [f"<!-- {form.tracker} -->", "", f"# {_title(record.instead)}"]
    for heading, text in form.fields.items():
        filled = "\n\n".join(part for part in text.format(**known).split("\n\n") if part.strip())
        if filled:
            lines += ["", f"{'#' * form.level} {heading}", "", filled]
    return "\n".join(lines) + "\n"


def _title(instead: str) -> str:
    return instead[:1].upper() + instead[1:].partition(":")[0]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _expected(defect: Defect) -> str:
    """What the clauses say that are not met, and what the program prints."""
    told = clauses()
    found = [told[name].paraphrase for name in defect.clauses[:2] if name in told]
    return " ".join(found) or "What the program prints as expected, which follows by hand."


def _program(name: str) -> str:
    """The program's text as a block; empty where there is none."""
    if not name:
        return ""
    text = files("conformance.known").joinpath("reproducers", name).read_text("utf-8")
    return f"```python\n{text.rstrip()}\n```"


def _seen(reports: str) -> str:
    if reports in ("", "none found"):
        return ""
    return f"It looks like what was reported as {reports}."
