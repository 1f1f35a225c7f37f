"""Support notes: sentences from a small grammar, some of which say that a customer may leave.

A note has one to four sentences. Most say nothing about leaving. Sentences of risk and of comfort
exist in several wordings, each also denied ("did not ask how to cancel"), so that a word alone
misleads. Typing errors change a few words.
"""

import numpy as np

# (weight, affirmed, denied): what the sentence adds to the score of risk. A denial adds nothing.
_RISK = [
    (1.0, "asked how to cancel the contract", "did not ask how to cancel the contract"),
    (1.0, "wants to cancel by the end of the month", "no longer wants to cancel"),
    (1.0, "said they are thinking of leaving", "said they are not thinking of leaving"),
    (0.8, "compared our prices with {rival}", "has not compared our prices with {rival}"),
    (0.8, "mentioned a better offer from {rival}", "never mentioned any offer from {rival}"),
    (0.6, "complained about the bill again", "had no complaint about the bill"),
    (0.6, "was upset about the price increase", "was not upset about the price increase"),
    (0.6, "says the {part} keeps crashing", "says the {part} does not crash any more"),
    (0.5, "is still waiting for a refund", "is not waiting for a refund any more"),
    (0.5, "had to call {count} times about the same problem", "did not have to call again"),
]
_COMFORT = [
    (-0.8, "renewed for another year", "has not renewed yet"),
    (-0.6, "asked about adding a second seat", "does not need a second seat"),
    (-0.5, "recommended us to a friend", "would not recommend us yet"),
    (-0.5, "praised the new {part}", "has not tried the new {part}"),
    (-0.4, "thanked {agent} for the quick help", "could not reach {agent}"),
]
_NOISE = [
    "asked for a copy of invoice {number}",
    "updated the billing address to {city}",
    "changed the password of the {part}",
    "asked when the {part} will be updated",
    "wanted to know the opening hours in {city}",
    "called on {weekday} about ticket {number}",
    "sent a screenshot of the {part}",
    "could not find the settings of the {part}",
    "asked {agent} to call back on {weekday}",
    "left a voice message for {agent}",
    "uses the {part} mostly on a {device}",
    "moved to {city} last month",
    "prefers to be contacted on {weekday}",
    "took part in the webinar about the {part}",
    "asked whether the {part} works on a {device}",
    "confirmed the phone number ending in {number}",
    "{agent} explained the {part} to the customer",
    "returned a {device} and got another one",
    "ticket {number} was closed by {agent}",
    "wrote in {language}, answered by {agent}",
    "paid invoice {number} by card",
    "asked for the report of {weekday}",
]
_SLOTS = {
    "rival": ["Northwind", "Bluebird", "Teleo", "a competitor", "another provider"],
    "part": ["app", "dashboard", "router", "calendar", "export", "mailbox", "search", "website"],
    "agent": ["Anna", "Jamal", "Priya", "Tom", "Wei", "Lucia", "Oskar", "Mbali", "Noor", "Ken"],
    "city": ["Springfield", "Riverton", "Lakeside", "Hillford", "Weston", "Marlow", "Ashby"],
    "weekday": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "device": ["tablet", "laptop", "phone", "desktop", "modem", "headset"],
    "language": ["Spanish", "French", "German", "Polish", "Hindi"],
    "count": ["two", "three", "four", "5"],
}
_SUBJECTS = ["Customer", "Client", "She", "He", "The customer", "Caller"]
_EMPTY, _TYPOS = 0.04, 0.02


def write_notes(rng, rows):
    """Draws support notes.

    Args:
        rng: `numpy.random.Generator`.
        rows: Number of notes.

    Returns:
        List of texts, some empty, and the score of risk of each, a float array `[rows]`.
    """
    texts, scores = [], np.zeros(rows)
    for row in range(rows):
        sentences = []
        for _ in range(rng.integers(1, 5)):
            sentence, score = _sentence(rng)
            sentences.append(sentence)
            scores[row] += score
        text = _mistyped(rng, ". ".join(sentences) + ".")
        if rng.random() < _EMPTY:
            text, scores[row] = "", 0.0
        texts.append(text)
    return texts, scores


def _sentence(rng):
    """A sentence, and what it adds to the score."""
    kind = rng.random()
    if kind < 0.22:
        weight, affirmed, denied = _RISK[rng.integers(len(_RISK))]
    elif kind < 0.38:
        weight, affirmed, denied = _COMFORT[rng.integers(len(_COMFORT))]
    else:
        phrase, weight = _NOISE[rng.integers(len(_NOISE))], 0.0
        return _filled(rng, phrase), weight
    if rng.random() < 0.3:
        return _filled(rng, denied), 0.0
    return _filled(rng, affirmed), weight


def _filled(rng, phrase):
    words = {slot: values[rng.integers(len(values))] for slot, values in _SLOTS.items()}
    phrase = phrase.format(**words, number=rng.integers(1000, 10_000))
    if not phrase[0].isupper() and not phrase.startswith("ticket"):
        phrase = f"{_SUBJECTS[rng.integers(len(_SUBJECTS))]} {phrase}"
    return phrase


def _mistyped(rng, text):
    """Swaps two letters of some words, or drops one."""
    words = text.split(" ")
    for place in np.flatnonzero(rng.random(len(words)) < _TYPOS):
        word = words[place]
        if len(word) < 4 or not word.isalpha():
            continue
        at = rng.integers(1, len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[place] = swapped if rng.random() < 0.5 else word[:at] + word[at + 1 :]
    return " ".join(words)
