"""Protects the page in a real browser: it opens, filters, links, and shows hostile text as text.

Needs selenium and Chromium with its driver (Debian: chromium, chromium-driver).
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from urllib.parse import quote

import pytest
from report_samples import CASES, HOSTILE, header, record, wrong

from conformance.report import page
from conformance.report.account import Account

DRIVER = shutil.which("chromedriver")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
MISSING = [
    name
    for name, found in (
        ("the package selenium", importlib.util.find_spec("selenium")),
        ("chromedriver", DRIVER),
        ("chromium", CHROMIUM),
    )
    if not found
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"needs a browser; missing: {', '.join(MISSING)}"),
]
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


class Page:
    """A page that is open in the browser."""

    def __init__(self, browser, address):
        self.browser = browser
        self.address = address

    def open(self, fragment="", width=1280, dark=False):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(f"{self.address}{fragment}")
        self.until("return document.documentElement.dataset.ready === 'true'")
        return self

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, script, *arguments):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = self.run(script, *arguments)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def texts(self, selector):
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )

    def click(self, selector, index=0):
        self.run("document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, index)

    def choose(self, identifier, value):
        self.until(
            "return [...document.getElementById(arguments[0]).options]"
            ".some(option => option.value === arguments[1])",
            identifier,
            value,
        )
        self.run(
            "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change'))",
            identifier,
            value,
        )

    @property
    def errors(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]


def opened(browser, path, account):
    path.write_bytes(page.render(account))
    return Page(browser, path.as_uri())


def sample():
    account = Account(header(mine="1.0", other="2.0"))
    account.add(wrong(CASES[0], message="3 of 448 elements are wrong; the worst, [1, 2, 3, 1], is"))
    account.add(record(CASES[1]))
    account.add(record(CASES[2], "known_deviation", diagnosis="a-record", message="it rounds up"))
    account.add(record(CASES[3], "unsupported", message="no Flatten"))
    for case in CASES:
        account.add(record(case, implementation="other"))
    return account


@pytest.fixture
def shown(browser, tmp_path):
    found = opened(browser, tmp_path / "page.html", sample()).open()
    yield found
    assert found.errors == []


def test_the_page_opens_with_the_verdict_the_causes_and_the_matrix(shown):
    assert shown.texts("#verdict") == ["1 of 7 results of 2 implementations is wrong, for 1 cause."]
    assert shown.texts("#causes .head") == ["The extra SAME padding goes first"]
    assert shown.texts("#records .head") == ["a-record"]
    assert "conv2d.padding.same" in shown.texts(".matrix tbody th")
    assert shown.texts("#status") == ["8 results of 4 cases, 4 clauses"]
    assert shown.run("return performance.getEntriesByType('resource').length") == 0


def test_long_lists_of_causes_open_on_demand(browser, tmp_path):
    account = Account(header(mine="1.0"))
    for number in range(12):
        account.add(wrong(f"Flatten/inputs:2x{number + 2}", diagnosis=f"cause {number}"))
    shown = opened(browser, tmp_path / "page.html", account).open()
    visible = "return [...document.querySelectorAll('#causes > li')].filter(e => e.offsetHeight)"
    assert shown.run(f"{visible}.length") == 8
    assert shown.texts("#causes + button") == ["Show 4 more"]
    shown.click("#causes + button")
    assert shown.run(f"{visible}.length") == 12
    assert shown.texts("#causes + button") == shown.errors == []


def test_another_reading_is_told_and_opens_its_cases(browser, tmp_path):
    account = Account(header(mine="1.0"))
    words = "Conforms to another reading of flatten.output.order, which is ambiguous: so."
    account.add(record(CASES[3], message=words))
    shown = opened(browser, tmp_path / "page.html", account).open()
    assert shown.texts("#followed .head") == [words]
    shown.click("#followed .link")
    shown.click("#panel .case summary")
    shown.until("return document.querySelector('#panel .inside')")
    assert shown.texts("#panel .message") == [words]
    assert shown.errors == []


def test_filters_narrow_the_matrix(shown):
    for identifier, value, rows in (
        ("layer", "Flatten", ["flatten.output.order"]),
        ("argument", "pool_size:3", ["maxpooling1d.output.maximum"]),
        ("verdicts", "k", ["maxpooling1d.output.maximum"]),
        ("verdicts", "bad", ["conv2d.filters.output-channels", "conv2d.padding.same"]),
    ):
        shown.choose(identifier, value)
        shown.until(
            "const rows = document.querySelectorAll('.matrix tbody tr:not(.section) th');"
            "return [...rows].map(row => row.textContent).join() === arguments[0].join()",
            rows,
        )
        shown.click("#reset")
    shown.choose("implementation", "other")
    shown.until("return document.querySelectorAll('.matrix thead th').length === 2")


def test_the_search_box_takes_words_of_a_descriptor(shown):
    shown.press("/")
    shown.press("padding:same conv2d")
    shown.until(
        "return document.getElementById('status').textContent.startsWith('2 results of 1 case')"
    )
    assert "q=padding%3Asame+conv2d" in shown.run("return location.hash")


def test_a_cell_opens_its_cases_failing_first_with_what_is_known_of_them(shown):
    shown.click(".cell.v-d")
    assert shown.texts("#panel-title") == ["conv2d.filters.output-channels in mine"]
    assert "holds: as documented" in shown.texts("#panel .clause dd")
    tags = shown.texts("#panel .case .tag")
    assert [tag.split()[-1] for tag in tags] == ["wrong", "ok"]
    shown.click("#panel .case summary")
    shown.until("return document.querySelector('#panel .inside')")
    assert shown.texts("#panel .command pre") == [
        f"conformance run --implementation mine --case {CASES[0]}"
    ]
    assert "The extra SAME padding goes first" in shown.texts("#panel .inside div")
    captions = shown.texts("#panel figcaption")
    assert captions[0].startswith("Input, sample 1, channel ")
    assert captions[1] == "Expected, channel 1"
    outlined = "#panel figure:first-child rect[stroke-width]"
    assert shown.run("return document.querySelectorAll(arguments[0]).length", outlined) == 6


def test_the_command_of_a_conforming_case_is_made_as_the_suite_makes_it(shown, tmp_path, browser):
    account = Account(header(**{"it's mine.py": "1"}))
    odd = "Conv1D/inputs:2x5x3/filters:4/kernel_size:(2,)"
    account.add(record(odd, implementation="it's mine.py"))
    other = opened(browser, tmp_path / "odd.html", account).open(f"#case={quote(odd)}")
    other.until("return document.querySelector('#panel .inside')")
    entry = account.find("it's mine.py", odd)
    assert other.texts("#panel .command pre") == [entry.command]


def test_copying_puts_the_command_into_the_clipboard(shown):
    shown.browser.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    shown.click("#causes .command button")
    shown.until("return document.querySelector('#causes .command button').textContent === 'Copied'")
    script = (
        "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done(String(e)))"
    )
    copied = shown.browser.execute_async_script(script)
    assert copied == f"conformance run --implementation mine --case {CASES[0]}"


def test_a_link_leads_to_a_cell_and_to_a_case_in_it(shown):
    shown.click(".cell.v-d")
    shown.click("#panel .case summary")
    shown.until("return location.hash.includes('case=')")
    fragment = shown.run("return location.hash")
    shown.open(fragment)
    assert shown.texts("#panel-title") == ["conv2d.filters.output-channels in mine"]
    assert shown.texts("#panel .case[open] summary code") == [CASES[0]]


def test_escape_closes_the_panel_and_its_address(shown):
    from selenium.webdriver.common.keys import Keys

    shown.click(".cell.v-d")
    shown.press(Keys.ESCAPE)
    shown.until("return !document.getElementById('panel').open && location.hash === ''")


def test_arrow_keys_move_between_cells(shown):
    from selenium.webdriver.common.keys import Keys

    shown.run("document.querySelector('.cell').focus()")
    places = []
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP):
        shown.press(key)
        places.append(
            shown.run("return document.activeElement.getAttribute('aria-label').split(':')[0]")
        )
    assert places == [
        "conv2d.filters.output-channels, other",
        "conv2d.padding.same, other",
        "conv2d.padding.same, mine",
        "conv2d.filters.output-channels, mine",
    ]
    shown.press(Keys.ENTER)
    assert shown.texts("#panel-title") == ["conv2d.filters.output-channels in mine"]


def test_every_control_has_a_name_and_every_header_its_scope(shown):
    unnamed = shown.run(
        "return [...document.querySelectorAll('button, input, select, svg')].filter(e => "
        "!(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length)))"
        ".map(e => e.outerHTML)"
    )
    assert unnamed == []
    assert shown.run("return document.querySelectorAll('table th:not([scope])').length") == 0
    assert shown.run("return document.querySelector('table caption').textContent")


CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const linear = (value) => value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
const light = (colour) => {
  const [red, green, blue] = parse(colour).map((value) => linear(value / 255));
  return .2126 * red + .7152 * green + .0722 * blue;
};
const behind = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return parse(colour)[3] === 0 ? behind(element.parentElement) : colour;
};
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const colours = [getComputedStyle(element).color, behind(element)].map(light);
  const [more, less] = colours.sort((x, y) => y - x);
  return [(more + .05) / (less + .05), `${element.className} ${element.textContent.slice(0, 20)}`];
}).filter(([ratio]) => ratio < 4.5);
"""
TEXTS = ".tag, .cell, .verdict, .card p, .status, label, th, dd, dt, .groups p, pre, .link"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(shown, dark):
    shown.open(dark=dark)
    assert shown.run(CONTRAST, TEXTS) == []


def test_the_button_switches_between_dark_and_light(shown):
    script = "return getComputedStyle(document.body).backgroundColor"
    light = shown.run(script)
    shown.click("#theme")
    assert shown.run(script) != light
    shown.click("#theme")
    assert shown.run(script) == light


@pytest.mark.parametrize("width", [320, 400, 1280])
@pytest.mark.parametrize("fragment", ["", f"#case={quote(CASES[0])}"], ids=["page", "case"])
def test_nothing_is_wider_than_the_window(shown, width, fragment):
    shown.open(fragment, width=width)
    if fragment:
        shown.until("return document.querySelector('#panel .inside')")
    assert shown.run("return document.documentElement.scrollWidth") <= width
    assert (
        shown.run(
            "const b = document.getElementById('panel-body'); return b.scrollWidth - b.clientWidth"
        )
        <= 0
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_an_implementation_says_shows_as_text(browser, tmp_path, text):
    name = text[:2000]
    account = Account(header(**{name: text}))
    account.add(wrong(CASES[0], message=text, diagnosis=text, implementation=name, reproduce=text))
    account.add(
        record(CASES[2], "known_deviation", message=text, diagnosis=text, implementation=name)
    )
    account.add(
        record(f"Flatten/{text}", "crashed", message=text, implementation=name, clauses=[text])
    )
    account.notes.append(text[:3000])
    found = opened(browser, tmp_path / "page.html", account).open(
        f"#case={quote(CASES[0])}", width=400
    )
    found.until("return document.querySelector('#panel .inside')")
    assert found.errors == []
    assert found.browser.title == "Keras layer conformance"
    assert (
        found.run("return document.querySelectorAll('img, b:not(.mark), script:not(#data)').length")
        == 1
    )
    start = " ".join(text[:40].encode("ascii", "ignore").decode().split())[:20]
    printable_start = "".join(c for c in start if c.isprintable())
    assert printable_start[:5] in found.texts("#panel .message")[0]
    assert found.run("return document.documentElement.scrollWidth") <= 400


def large(count=25_000):
    account = Account(header(mine="1.0"))
    for index in range(count):
        fails = index % 50 == 0
        account.add(
            record(
                f"Conv2D/inputs:2x{index % 9 + 3}x{index}x3/filters:4/kernel_size:{index % 5 + 1}",
                "deviates" if fails else "conforms",
                clauses=[f"conv2d.made.up-{index % 300}", "conv2d.padding.same"],
                message=f"element {index} is wrong" if fails else "",
                ratio=index / 20_000,
                seconds=0.01,
            )
        )
    return account


OPENING = """
const [entry] = performance.getEntriesByType('navigation');
return entry.domContentLoadedEventEnd - entry.responseStart;
"""
SEARCH = """
const [words, done] = arguments;
const box = document.getElementById('q'), start = performance.now();
const observer = new MutationObserver(() => done(performance.now() - start));
observer.observe(document.getElementById('status'), {childList: true});
box.value = words;
box.dispatchEvent(new Event('input'));
"""
LIST = """
const start = performance.now();
document.getElementById('all').click();
return performance.now() - start;
"""


def test_25_000_results_open_within_a_second_and_answer_at_once(browser, tmp_path):
    path = tmp_path / "large.html"
    found = opened(browser, path, large())
    assert path.stat().st_size < 5_000_000
    assert min(found.open().run(OPENING) for _ in range(3)) < 1000
    words = [f"kernel_size:{size}" for size in (1, 2, 3)]
    assert min(browser.execute_async_script(SEARCH, each) for each in words) < 500
    found.click("#reset")
    assert found.run(LIST) < 500
    built = found.run("return document.querySelectorAll('#panel .case').length")
    assert built <= 300
    assert found.texts("#panel .status") == ["25,000 results"]
    found.run("const b = document.getElementById('panel-body'); b.scrollTop = b.scrollHeight")
    found.until("return document.querySelectorAll('#panel .case').length > arguments[0]", built)
    assert found.errors == []
