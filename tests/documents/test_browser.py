"""The page in a real browser: upload, watch and ask, by keyboard alone and at a phone's width."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from common.clients import Clients
from common.waiting import Seen, SystemClock, wait_for
from documents.access import access
from documents.quality.plain_pdf import plain_pdf
from documents.settings import load_settings
from documents.work import make_work
from documents.worker import Worker
from tests.documents.cloud import TOKEN, PipelineCloud, cloud
from tests.documents.served import served

SECONDS = 60.0
# A phone of 2016 that is still in use, in CSS pixels.
PHONE = (320, 568)
# w3.org/TR/WCAG22/#target-size-enhanced
TARGET = 44
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOWN = "return document.activeElement.id || document.activeElement.textContent.trim()"

pytestmark = pytest.mark.skipif(
    not shutil.which("chromedriver"), reason="needs chromedriver and its browser"
)


@pytest.fixture(scope="module")
def aws(model: Path) -> Iterator[PipelineCloud]:
    with cloud(model) as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.variables.items():
            patch.setitem(os.environ, name, value)
        yield found


@pytest.fixture(scope="module")
def worker(aws: PipelineCloud) -> Iterator[Worker]:
    settings = load_settings()
    clients = Clients(settings.region)
    work = make_work(settings, clients, "worker")
    yield Worker(work, access(settings, clients).queue, lambda event, **fields: None)
    work.parser.stop()


@pytest.fixture(scope="module")
def url(aws: PipelineCloud) -> Iterator[str]:
    with served() as found:
        yield f"{found}/"


def browser_of_driver() -> str:
    """Return the browser of the driver's version: each driver is for one."""
    driver = version("chromedriver")
    found = {name: version(name) for name in BROWSERS if shutil.which(name)}
    fitting = [shutil.which(name) or "" for name, of in found.items() if of == driver]
    assert fitting, f"chromedriver {driver} fits none of {found}"
    return fitting[0]


def version(tool: str) -> str:
    """Return the first number of a tool's version."""
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    return str(re.findall(r"(\d+)\.", done.stdout)[0])


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = browser_of_driver()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


def press(browser: webdriver.Chrome, *keys: str) -> None:
    """Press keys, wherever the focus is."""
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def tab_to(browser: webdriver.Chrome, name: str) -> None:
    """Press the tabulator until the focus is on the element with this id, or with this text."""
    for _ in range(20):
        if browser.execute_script(SHOWN) == name:
            return
        press(browser, Keys.TAB)
    pytest.fail(f"the keyboard does not reach {name}")


def await_text(browser: webdriver.Chrome, element: str, text: str) -> WebElement:
    """Wait until an element shows a text."""

    def look() -> Seen[WebElement]:
        found = browser.find_element(By.ID, element)
        return Seen(found if text in found.text else None, f"{element} shows {found.text!r}")

    return wait_for(text, look, clock=SystemClock(), seconds=SECONDS, every=0.1)


@contextmanager
def phone(browser: webdriver.Chrome) -> Iterator[None]:
    """Show pages as a phone does."""
    width, height = PHONE
    screen = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    yield
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def put(aws: PipelineCloud, worker: Worker, name: str, *pages: str) -> None:
    """Have a document answered from."""
    aws.put(name, plain_pdf(pages))
    worker.step(wait=0)
    assert aws.statuses()[name] == "DONE"


def test_by_keyboard_a_document_is_uploaded_watched_and_asked_about(
    browser: webdriver.Chrome, url: str, aws: PipelineCloud, worker: Worker, tmp_path: Path
) -> None:
    path = tmp_path / "boat <i>1.pdf"
    path.write_bytes(plain_pdf(["About boats.", "The boat to Hven leaves at 9:40 from pier four."]))
    browser.get(url)
    press(browser, Keys.TAB)
    assert browser.execute_script(SHOWN) == "Skip to the question"
    tab_to(browser, "token")
    press(browser, TOKEN, Keys.ENTER)

    # A dialog of the operating system chooses the file; a driver names it instead.
    browser.find_element(By.ID, "files").send_keys(str(path))
    tab_to(browser, "files")
    tab_to(browser, "Upload")
    press(browser, Keys.ENTER)
    await_text(browser, "added", "Uploaded: boat <i>1.pdf")
    aws.send("input/boat <i>1.pdf")  # this cloud does not notify of uploads
    worker.step(wait=0)
    row = await_text(browser, "documents", "DONE")
    assert row.text.split() == ["boat", "<i>1.pdf", "DONE", "2"]
    await_text(browser, "counts", "1 DONE")

    tab_to(browser, "question")
    press(browser, "When does the boat to Hven leave?")
    press(browser, Keys.TAB, Keys.ENTER)

    await_text(browser, "answer", "No language model is set up")
    passages = await_text(browser, "passages", "9:40")
    assert passages.text.startswith("boat <i>1.pdf, page 2")

    tab_to(browser, "traced")
    press(browser, "boat <i>1.pdf", Keys.ENTER)
    await_text(browser, "history", "worker: DONE indexed 2 pages as 2 chunks")
    today = browser.find_element(By.CSS_SELECTOR, "#days tr").text.split()
    assert today[1:6] == ["1", "0", "2", "2", "0"]
    severe = [one for one in browser.get_log("browser") if one["level"] == "SEVERE"]
    assert severe == []


def test_at_a_phones_width_nothing_is_cut_and_everything_can_be_touched(
    browser: webdriver.Chrome, url: str, aws: PipelineCloud, worker: Worker
) -> None:
    put(aws, worker, f"{'a-long-name-' * 12}.pdf", f"The {'w' * 300} is at the gate.")
    with phone(browser):
        browser.get(url)
        browser.find_element(By.ID, "token").send_keys(TOKEN, Keys.ENTER)
        await_text(browser, "documents", "a-long-name")
        browser.find_element(By.ID, "question").send_keys("What is at the gate?")
        browser.find_element(By.CSS_SELECTOR, "#ask button").click()
        await_text(browser, "passages", "page 1")

        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 320
        touched = browser.find_elements(By.CSS_SELECTOR, "input, textarea, button")
        assert len(touched) == 8
        names = {one.accessible_name for one in touched}
        assert names >= {"Token", "Question", "Ask", "Upload", "History of a document", "Show"}
        for one in touched:
            assert one.size["height"] >= TARGET
            assert one.rect["x"] >= 0
            assert one.rect["x"] + one.rect["width"] <= 320


def test_with_a_wrong_token_the_page_says_so_and_shows_nothing(
    browser: webdriver.Chrome, url: str, aws: PipelineCloud, worker: Worker
) -> None:
    put(aws, worker, "secret.pdf", "The safe's number is 4711.")
    browser.get(url)
    tab_to(browser, "token")
    press(browser, "wrong", Keys.ENTER)

    problem = await_text(browser, "problem", "the token is missing or wrong")
    assert problem.aria_role == "alert"
    tab_to(browser, "question")
    press(browser, "What is the safe's number?", Keys.TAB, Keys.ENTER)
    await_text(browser, "problem", "the token is missing or wrong")
    page = browser.find_element(By.TAG_NAME, "body").text
    assert "4711" not in page
    assert "secret.pdf" not in page

    tab_to(browser, "token")
    webdriver.ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(
        Keys.CONTROL
    ).send_keys(TOKEN, Keys.ENTER).perform()
    await_text(browser, "documents", "secret.pdf")
    assert browser.find_element(By.ID, "problem").text == ""
