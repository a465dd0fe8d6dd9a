"""Signing in and out, and what a key does not permit."""

from __future__ import annotations

from playwright.sync_api import expect

from contracts.permissions import Permission
from tests.support.browser.uploader_page import UploaderPage
from tests.support.pipeline.pipeline import Pipeline

WRONG = "csvp_nobody00_d3JvbmctZm9yLXRoaXMtc2VydmljZS1pbi1ldmVyeS13YXktMA"


def test_wrong_key_is_refused_and_the_right_one_opens_the_page(page: UploaderPage, pipeline: Pipeline) -> None:
    page.open()
    page.expect_view("Sign in")
    page.sign_in(WRONG)
    expect(page.alert).to_contain_text("The key is wrong")
    expect(page.tab.get_by_label("Key", exact=True)).to_be_focused()
    page.sign_in(pipeline.client_key)
    page.expect_view("Send")
    expect(page.tab.get_by_text("Signed in as client of the local stack")).to_be_visible()


def test_session_outlives_a_reload_and_ends_with_signing_out(page: UploaderPage, pipeline: Pipeline) -> None:
    page.enter(pipeline.client_key, "uploads")
    page.expect_view("Uploads")
    page.tab.reload()
    page.expect_view("Uploads")
    (cookie,) = page.tab.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.sign_out()
    page.expect_view("Sign in")
    assert page.tab.context.cookies() == []
    page.open("uploads")
    page.expect_view("Sign in")


def test_key_is_out_of_reach_of_scripts(page: UploaderPage, pipeline: Pipeline) -> None:
    page.enter(pipeline.client_key)
    kept = page.tab.evaluate(
        "() => [document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage), "
        "document.documentElement.outerHTML].join()"
    )
    assert pipeline.client_key not in kept


def test_view_without_permission_says_which_is_missing(page: UploaderPage, pipeline: Pipeline) -> None:
    page.enter(pipeline.create_key(Permission.READ))
    page.expect_view("Uploads")
    page.go_to("Send")
    expect(page.tab.get_by_text("it lacks the permission upload")).to_be_visible()
    page.sign_out()
    page.sign_in(pipeline.create_key(Permission.UPLOAD))
    page.expect_view("Send")
    page.go_to("Uploads")
    expect(page.tab.get_by_text("it lacks the permission read")).to_be_visible()
