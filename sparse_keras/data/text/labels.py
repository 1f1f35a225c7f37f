"""What readers of labelled texts share: what is left out, the classes, and texts in two parts."""

from collections import Counter

from sparse_keras._internal.suggest import listing


def without_duplicates(texts, labels, counts):
    """Returns texts and labels without the repetitions of a text, so that none can be in two parts.

    Texts are equal if they differ in white space alone. Those that have several labels are left out
    altogether.

    Args:
        texts: List of strings.
        labels: Their labels.
        counts: A `Counter` of notes.
    """
    keys = [" ".join(text.split()) for text in texts]
    labels_of = {}
    for key, label in zip(keys, labels, strict=True):
        labels_of.setdefault(key, set()).add(label)
    seen, kept = set(), []
    for position, key in enumerate(keys):
        if len(labels_of[key]) > 1:
            counts["Texts with several labels, left out"] += 1
        elif key in seen:
            counts["Repeated texts, left out"] += 1
        else:
            seen.add(key)
            kept.append(position)
    return [texts[position] for position in kept], [labels[position] for position in kept]


def count_shared(train, test, counts, part="Test"):
    """Counts the texts of a part that are training texts, too; they are not left out.

    Args:
        train: The training texts.
        test: The texts of the part.
        counts: A `Counter` of notes.
        part: What the part is called.
    """
    known = set(train)
    shared = sum(text in known for text in test)
    counts[f"{part} texts that are training texts as well"] += shared


def classes_of(name, *parts):
    """Returns the classes of all parts, sorted; whole numbers by their value.

    Args:
        name: The data set, as messages call it.
        parts: Lists of labels.

    Raises:
        ValueError: If there are fewer than two classes, or if two differ in case alone.
    """
    labels = set().union(*parts)
    if len(labels) < 2:
        raise ValueError(
            f"{name}: expected at least two classes. Received: {listing(labels) or 'none'}."
        )
    folded = Counter(label.casefold() for label in labels)
    twice = sorted(label for label in labels if folded[label.casefold()] > 1)
    if twice:
        raise ValueError(
            f"{name}: expected labels that differ in more than case. Received: {listing(twice)}. "
            "Write them alike."
        )
    try:
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    except ValueError:
        return tuple(sorted(labels))
