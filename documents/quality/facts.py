"""Documents with known facts, and a question for each: the same seed, the same documents. No AWS.

Every document is about one building, and all state the same kinds of facts in the same words, so
that each is a distractor of every other. They are in four languages, as PDF, HTML, Markdown and
text; in HTML and Markdown the facts are rows of a table.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from documents.quality.plain_pdf import plain_pdf

FACTS_A_PAGE = 2
FORMATS = ("pdf", "md", "pdf", "html", "txt")
LANGUAGES = ("en", "en", "de", "en", "fr", "en", "es")
FIRST = ("Silver", "Amber", "Crimson", "Hollow", "Northern", "Quiet", "Broken", "Golden", "Salt")
SECOND = ("Heron", "Lantern", "Willow", "Anvil", "Falcon", "Orchard", "Harbour", "Thistle", "Raven")
PEOPLE = ("Ada", "Bruno", "Clara", "Diego", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas")
FAMILIES = ("Abel", "Brandt", "Castillo", "Dupont", "Eriksen", "Fontana", "Grant", "Holm", "Ito")
MATERIALS = {
    "en": ("granite", "red brick", "oak", "limestone", "steel", "slate"),
    "de": ("Granit", "rotem Backstein", "Eichenholz", "Kalkstein", "Stahl", "Schiefer"),
    "fr": ("granit", "brique rouge", "chêne", "calcaire", "acier", "ardoise"),
    "es": ("granito", "ladrillo rojo", "roble", "piedra caliza", "acero", "pizarra"),
}
KINDS = {"en": "tower", "de": "Turm", "fr": "tour", "es": "torre"}
# A fact's name in a table, its sentence, and its question.
WORDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "en": {
        "height": ("height", "The {it} is {value} metres high.", "How high is the {it}?"),
        "year": ("opened in", "The {it} was opened in {value}.", "When was the {it} opened?"),
        "keeper": ("keeper", "The keeper of the {it} is {value}.", "Who keeps the {it}?"),
        "material": ("built of", "The {it} is built of {value}.", "What is the {it} made of?"),
        "steps": ("steps", "{value} steps lead up the {it}.", "How many steps has the {it}?"),
        "ticket": (
            "ticket in euros",
            "A ticket for the {it} costs {value} euros.",
            "What does a ticket for the {it} cost?",
        ),
        "bell": (
            "bell",
            "The bell of the {it} weighs {value} kilograms.",
            "How heavy is the bell of the {it}?",
        ),
        "visitors": (
            "visitors last year",
            "Last year {value} people visited the {it}.",
            "How many visitors did the {it} have last year?",
        ),
    },
    "de": {
        "height": ("Höhe", "Der {it} ist {value} Meter hoch.", "Wie hoch ist der {it}?"),
        "year": ("eröffnet", "Der {it} wurde {value} eröffnet.", "Wann wurde der {it} eröffnet?"),
        "keeper": ("Wärter", "Den {it} hütet {value}.", "Wer hütet den {it}?"),
        "steps": (
            "Stufen",
            "Auf den {it} führen {value} Stufen.",
            "Wie viele Stufen hat der {it}?",
        ),
    },
    "fr": {
        "height": (
            "hauteur",
            "La {it} mesure {value} mètres.",
            "Quelle est la hauteur de la {it} ?",
        ),
        "year": ("ouverture", "La {it} a ouvert en {value}.", "Quand la {it} a-t-elle ouvert ?"),
        "keeper": ("gardien", "Le gardien de la {it} est {value}.", "Qui garde la {it} ?"),
        "steps": ("marches", "La {it} a {value} marches.", "Combien de marches a la {it} ?"),
    },
    "es": {
        "height": ("altura", "La {it} mide {value} metros.", "¿Cuánto mide la {it}?"),
        "year": ("apertura", "La {it} abrió en {value}.", "¿Cuándo abrió la {it}?"),
        "keeper": ("guardián", "El guardián de la {it} es {value}.", "¿Quién guarda la {it}?"),
        "steps": (
            "escalones",
            "La {it} tiene {value} escalones.",
            "¿Cuántos escalones tiene la {it}?",
        ),
    },
}
FILLER = {
    "en": (
        "Paths around it are open from dawn to dusk, and dogs are welcome on a lead.",
        "The café beside it serves soup in winter and lemonade in summer.",
        "Groups are asked to announce themselves a week before they come.",
        "On clear days the islands in the west can be seen from its gallery.",
    ),
    "de": (
        "Die Wege ringsum sind von morgens bis abends offen, Hunde sind an der Leine willkommen.",
        "Gruppen melden sich bitte eine Woche vorher an.",
    ),
    "fr": (
        "Les chemins alentour sont ouverts de l'aube au crépuscule.",
        "Les groupes sont priés de s'annoncer une semaine avant leur venue.",
    ),
    "es": (
        "Los caminos de alrededor están abiertos desde el alba hasta el anochecer.",
        "Se ruega a los grupos que avisen con una semana de antelación.",
    ),
}


@dataclass(frozen=True)
class Question:
    """A question, what its answer must contain, and where that stands."""

    text: str
    answer: str
    document: str
    page: int
    language: str
    table: bool


@dataclass(frozen=True)
class Made:
    """A document, and the questions about it."""

    name: str
    content: bytes
    questions: tuple[Question, ...]


def make_documents(count: int, seed: int = 1) -> Iterator[Made]:
    """Yield documents, each about a tower of its own; up to 81 of them."""
    chance = random.Random(seed)  # noqa: S311 # nothing secret
    names = [f"{first} {second}" for first in FIRST for second in SECOND]
    for number, name in enumerate(chance.sample(names, count)):
        language = LANGUAGES[number % len(LANGUAGES)]
        yield _document(chance, name, language, FORMATS[number % len(FORMATS)])


def _document(chance: random.Random, name: str, language: str, kind: str) -> Made:
    it = f"{name} {KINDS[language]}" if language == "en" else f"{KINDS[language]} {name}"
    it = f"{name}-Turm" if language == "de" else it
    facts = [(fact, _value(chance, fact, language)) for fact in WORDS[language]]
    chance.shuffle(facts)
    paged = kind in ("pdf", "txt")
    groups = [facts[at : at + FACTS_A_PAGE] for at in range(0, len(facts), FACTS_A_PAGE)]
    file = f"{name.lower().replace(' ', '-')}.{kind}"
    questions = tuple(
        Question(
            WORDS[language][fact][2].format(it=it),
            value,
            file,
            page if paged else 1,
            language,
            table=not paged,
        )
        for page, group in enumerate(groups, 1)
        for fact, value in group
    )
    return Made(file, _content(chance, kind, language, it, groups), questions)


def _content(
    chance: random.Random, kind: str, language: str, it: str, groups: list[list[tuple[str, str]]]
) -> bytes:
    words, filler = WORDS[language], FILLER[language]
    if kind in ("pdf", "txt"):
        pages = []
        for group in groups:
            stated = [words[fact][1].format(it=it, value=value) for fact, value in group]
            sentences = [*stated, *chance.sample(filler, 2)]
            chance.shuffle(sentences)
            pages.append(f"{it}\n\n" + " ".join(sentences))
        return plain_pdf(pages) if kind == "pdf" else "\f".join(pages).encode()
    rows = [(words[fact][0], value) for group in groups for fact, value in group]
    if kind == "md":
        table = "\n".join(f"| {name} | {value} |" for name, value in rows)
        return f"# {it}\n\n{filler[0]}\n\n| | {it} |\n|---|---|\n{table}\n".encode()
    table = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f"<h1>{it}</h1><p>{filler[0]}</p><table>{table}</table>".encode()


def _value(chance: random.Random, fact: str, language: str) -> str:
    if fact == "keeper":
        return f"{chance.choice(PEOPLE)} {chance.choice(FAMILIES)}"
    if fact == "material":
        return chance.choice(MATERIALS[language])
    low, high = {"year": (1700, 2020), "visitors": (10_000, 99_999)}.get(fact, (101, 999))
    return str(chance.randint(low, high))
