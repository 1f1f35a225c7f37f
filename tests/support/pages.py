"""Reads pages of HTML, and checks that they are whole and need nothing else."""

import html.parser
import re


class Page(html.parser.HTMLParser):
    """Checks that tags are closed, and collects tags and text.

    Args:
        text: The page.
    """

    VOID = ("meta", "link", "rect", "line", "wbr", "br", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        self.text = self.text.replace("\xa0", " ")
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in self.VOID:  # A rect with a title has an end.
            return
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data

    def check_self_contained(self, text):
        """Nothing is fetched, and nothing runs."""
        names = {tag for tag, _ in self.tags}
        assert not {"script", "img", "iframe", "object", "form"} & names
        addresses = [a.get(key) for _, a in self.tags for key in ("href", "src") if a.get(key)]
        assert all(address.startswith(("#", "data:")) for address in addresses)
        anchors = {a["id"] for _, a in self.tags if "id" in a}
        assert {address[1:] for address in addresses if address[0] == "#"} <= anchors
        assert not re.search(r"https?://|url\(|@import", text)
        assert not any(key.startswith("on") for _, a in self.tags for key in a)
        policy = next(a["content"] for _, a in self.tags if "http-equiv" in a)
        assert policy.startswith("default-src 'none'")
