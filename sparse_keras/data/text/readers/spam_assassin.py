"""SpamAssassin: is a mail spam? 6,046 mails of 2002, 4,150 ham and 1,896 spam.

The public corpus of SpamAssassin, all five groups of its package in npm. The text of a mail is its
subject and its body. All other headers are removed, because they give the answer away: dates,
mailing lists and the addresses of the collectors differ between ham and spam. Headers of the parts
of a multipart mail stay; bodies are as they were sent, with HTML and quoted-printable characters.
"""

import json
import re
from collections import Counter

from sparse_keras.data.text.corpus import LabelledTexts
from sparse_keras.data.text.labels import without_duplicates
from sparse_keras.data.text.readers.passes import sentences
from sparse_keras.data.text.sources import SPAM_ASSASSIN as ARCHIVE

_MAIL = re.compile(r"package/data/(?:easy-|hard-)?(ham|spam)-\d/.*\.json")
# Lines that begin with a space continue a header.
_SUBJECT = re.compile(r"^subject:(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)


def read(options):
    """Returns the mails as `LabelledTexts`, without repetitions. No key of `options` is needed."""
    del options
    texts, labels, counts = [], [], Counter()
    mails = sorted(ARCHIVE.iter_members(_MAIL.fullmatch))
    for name, content in mails:
        text = subject_and_body(json.loads(content)["text"])
        if text.strip():
            texts.append(text)
            labels.append(_MAIL.fullmatch(name)[1])
        else:
            counts["Mails without subject and body, left out"] += 1
    counts["Mails of which all headers but the subject were removed"] = len(mails)
    train = without_duplicates(texts, labels, counts)
    notes = sentences(counts)
    return LabelledTexts("spam_assassin", "label", train, None, ("ham", "spam"), notes=notes)


def subject_and_body(mail):
    """Returns the subject of a mail, a blank line, and its body."""
    headers, _, body = mail.replace("\r\n", "\n").partition("\n\n")
    subject = _SUBJECT.search(headers)
    subject = " ".join(subject[1].split()) if subject else ""
    return f"{subject}\n\n{body}" if subject else body
