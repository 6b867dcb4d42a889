"""Words of a child who may be in danger: found before anything of theirs is sent to a model.

`services.help_card` asks here about every question. The phrases are English, and chosen so that a child who means it
is heard even where that now and then interrupts one who does not: the teacher looks, and nothing else happens. Nothing
here decides what is answered, and no list finds everything: docs/security.md says what it misses.
"""

import re
import unicodedata
from collections.abc import Callable

SELF_HARM = "self_harm"  # the flag of a question; a teacher sees why

# ---- The phrases: they meet words in small letters, without apostrophes, one space between, " . " between sentences.

_FILLERS = (
    r"(?:(?:really|just|sometimes|always|often|still|only|actually|honestly|kinda|kind|sort|of|so|totally|even|now|do"
    r"|have|ve|been|am|m|think|thinking|feel|like|that|i|im|might|would|d|rather|literally|truly|keep|kept|all|the"
    r"|time) ){0,7}")
_I = rf"\b(?:i|im|ive|id|ill) {_FILLERS}"
_WANT = (
    r"(?:want to|wanna|want 2|wanted to|need to|would like to|like to|wish to|hope to|hoping to|deserve to|ready to"
    r"|should|want)")
_WILL = (
    rf"(?:{_WANT}|going to|gonna|plan to|planning to|about to|try to|tried to|trying to|decided to|will|could"
    r"|thinking about|thinking of|thought about|thought of|think about|dream of|dreaming of)")
_SELF = r"(?:my|him|her|them|your|one)sel(?:f|ves)"
_KILLING = rf"(?:kill(?:ing)?|hang(?:ing)?|unaliv(?:e|ing)|strangl(?:e|ing)) {_SELF}"
_HURTING = (
    r"(?:hurt|hurting|cut|cutting|burn|burning|stab|stabbing|shoot|shooting|drown|drowning|starve|starving) myself"
    r"\b(?! (?:an?|some|off|out|short|in|loose|free|another)\b)")
_FRIEND = (
    r"\bmy (?:best |little |big |older |younger )?(?:friend|sister|brother|mum|mom|mommy|mummy|dad|daddy|cousin"
    r"|classmate|girlfriend|boyfriend|partner)")
# What people say who are amused, bored or hungry, or play.
_NOT_LIGHTLY = (
    r"(?! (?:laughing|trying|hard\b|to (?:know|see|find)|for (?:an?|some|that|this|those|these|it)\b"
    r"|(?:of|from|with) (?:laughter|laughing|embarrassment|boredom|curiosity|hunger|thirst|heat|cold|happiness)"
    r"|in (?:the|this|my|a) (?:game|level|story|play|book|film|movie)))")

_PHRASES = (
    # What one does to oneself. Some of it also happens by accident: then it counts when it is wanted or a habit.
    rf"\b(?:kill|hang|unaliv|harm|strangl|poison)(?:e|ing)? myself\b{_NOT_LIGHTLY}",
    rf"{_I}{_WILL} (?:\w+ ){{0,2}}?{_HURTING}",
    r"\b(?:hurting|cutting|burning|starving) myself\b(?! (?:an?|some|off|out|short|in|loose|free|another)\b)",
    r"\b(?:hurt|harmed|cut|burned|burnt) myself (?:on purpose|again|to feel|when i feel|when im|because i)\b",
    r"\b(?:slit|slitting|slash|cut|cutting) my (?:wrists?|veins?)\b|\bcutting my (?:arms?|legs?|thighs?|skin)\b",
    rf"{_I}(?:{_WILL} )?(?:self ?harm\w*|overdose|od on)\b",
    rf"{_I}{_WILL} (?:tak|swallow)(?:e|ing)? (?:all )?(?:of )?(?:my|the|these) (?:\w+ ){{0,2}}(?:pills|tablets)\b",
    rf"{_I}{_WILL} (?:jump|jumping|throw myself|throwing myself) (?:off|from|out of|in front of|under)"
    r" (?:an?|the|my|this) (?:bridge|roof|building|window|balcony|train|car|bus|truck|tracks)\b",
    rf"{_I}{_WILL} kms\b",
    r"\b(?:end|ending|take|taking) my (?:own )?life\b",
    rf"{_I}{_WILL} (?:end|ending) it all\b",
    # Not wanting to live.
    rf"{_I}{_WANT} (?:just )?(?:die|be dead|stop existing|not exist|not be alive|end it all|die in my sleep"
    rf"|(?:go to sleep and |fall asleep and )?(?:never|not) wake up|(?:disappear|be gone) forever)\b{_NOT_LIGHTLY}",
    rf"{_I}(?:feel|feeling) like dying\b{_NOT_LIGHTLY}",
    rf"{_I}(?:be |better off )dead\b|\bid be better off dead\b",
    r"\bi (?:\w+ )?wish (?:that )?(?:i|id) (?:was|were|wasnt|werent|had|hadnt|could|didnt|never|d|not)?"
    rf"(?: \w+){{0,2}}? ?(?:dead|die|alive|born|exist|never wake up|not wake up|kill myself)\b{_NOT_LIGHTLY}",
    r"\b(?:i|id) (?:really |just |honestly )?(?:dont|do not|didnt|no longer) (?:even |really )?(?:want to|wanna)"
    r" (?:be alive|exist|live (?:any ?more|any longer|this life|like this)|live(?! \w)|be here any ?more"
    r"|be in this world|wake up (?:any ?more|again|tomorrow|ever))\b",
    r"\b(?:i|ive|im|my life|for me)\b[^.]{0,40}\b(?:nothing (?:left )?to live for|not worth living"
    r"|no reason to (?:live|be alive|go on living)|isnt worth living|cant go on living)\b",
    r"\b(?:everyone|everybody|they|the world|people|my \w+) (?:\w+ )?(?:would|will|d|ll) (?:all )?be"
    r" (?:better off|happier) (?:without me|if i (?:was|were|wasnt|werent|died|did not|didnt|am)\b)",
    r"\b(?:nobody|no one|noone|who) would (?:even )?(?:miss me|care|notice) if i"
    r" (?:died|was dead|were dead|was gone|were gone|disappeared|killed)\b",
    # The word itself, said of oneself.
    rf"{_I}(?:{_WILL} )?(?:feel |feeling |a bit |having |get |getting |had |committing |commit )*suicid(?:al|e)\b",
    # Asking how.
    r"\bhow (?:(?:do|can|could|would|should) (?:i|you|u|people|kids|someone|somebody)|to)"
    rf" (?:\w+ )?(?:{_KILLING}|commit suicide|end (?:my|your) (?:own )?life|die (?:without|painlessly|quickly|fast))\b",
    r"\b(?:painless|easy|easiest|quick|quickest|fast|fastest|best|good) ways? (?:for me )?to"
    rf" (?:die|{_KILLING}|commit suicide|end (?:it all|my life))\b",
    # Somebody close to them.
    rf"{_FRIEND} (?:(?:says|said|told me|keeps saying) (?:that )?(?:he|she|they) )?(?:really |just )?"
    r"(?:wants?|wanted|tried|tries|is going|is trying|threatened|threatens|is thinking|is talking) (?:to|of|about)"
    rf" (?:die|dying|commit suicide|suicide|{_KILLING}|self ?harm)\b{_NOT_LIGHTLY}",
    rf"{_FRIEND} (?:is|has been|keeps) (?:suicidal|self ?harming|(?:hurting|cutting|starving) {_SELF})\b",
)
_WORRYING = re.compile("|".join(f"(?:{phrase})" for phrase in _PHRASES))
# Without one of these no phrase can match; most questions end here.
_HINT = re.compile(
    r"self|selves|die\b|dying|dead|suicid|harm|overdose|\bod\b|pills|tablets|jump|throw|\bkms\b|my (?:own )?life|alive"
    r"|exist|end(?:ing)? it|wake up|disappear|gone|born|liv|without me|if i |wrist|vein|cutting my|in this world|be here")

# Someone who asks about words and not about themselves says so in that sentence.
_ASKS_ABOUT_WORDS = re.compile(
    r"\b(?:mean|means|meant|meaning|says?|said|saying|writes?|wrote|written|sentence|line|text|book|story|chapter|page"
    r"|paragraph|author|character|poem|word|words)\b")
_QUOTE_MARKS = re.compile(r"[\"“”„«»]")

_APOSTROPHES = re.compile(r"['’ʼ`´]")
_SENTENCE_ENDS = re.compile(r"[.!?\n…]+")
_OTHER_SIGNS = re.compile(r"[^\w.]+|_+")
_DIGIT = re.compile(r"\d")
_WORD_WITH_DIGITS = re.compile(r"\b(?=\w*[^\W\d])\w*\d\w*\b")
_DIGITS_AS_LETTERS = str.maketrans("013457", "oieast")
# What the patterns above do to text of ASCII without digits, a sign at a time: a fifth of their time.
_ASCII = {code: chr(code) if chr(code).isalpha() else " " for code in range(128)} | {
    ord(sign): " . " for sign in ".!?\n"} | {ord(sign): None for sign in "'`"}


def worry_in(*typed: str, book: Callable[[], str]) -> str:
    """Return SELF_HARM if something that a student typed says it, else "".

    `book` returns the text that is read, made `plain`. It is called only for a phrase that seems to be asked about: the
    text's own words, asked about as words, are no worry. Said as one's own they are, whatever the text says.
    """
    for text in filter(None, typed):
        said = plain(text)
        if not _HINT.search(said):
            continue
        for found in _WORRYING.finditer(said):
            if not (_is_asked_about(said, found, text) and f" {found[0].strip()} " in f" {book()} "):
                return SELF_HARM
    return ""


def plain(text: str) -> str:
    """Return a text as the phrases read it: accents, case, apostrophes and digits that stand for letters are gone."""
    text = text.casefold()
    if text.isascii() and not _DIGIT.search(text):
        said = " ".join(text.translate(_ASCII).split())
        if ". ." not in said:  # several ends in a row are one
            return said.replace("my self", "myself")
    if not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFKD", text)
                       if unicodedata.category(sign) not in ("Mn", "Cf"))
    text = _APOSTROPHES.sub("", text)
    if _DIGIT.search(text):
        text = _WORD_WITH_DIGITS.sub(lambda word: word[0].translate(_DIGITS_AS_LETTERS), text)
    text = " ".join(_OTHER_SIGNS.sub(" ", _SENTENCE_ENDS.sub(" . ", text)).split())
    return text.replace("my self", "myself")


def _is_asked_about(said: str, found: re.Match, typed: str) -> bool:
    """True when the sentence around a phrase asks about words, or words are quoted."""
    start = said.rfind(" . ", 0, found.start()) + 1
    end = said.find(" . ", found.end())
    around = said[start:found.start()] + " " + said[found.end():end if end >= 0 else len(said)]
    return bool(_ASKS_ABOUT_WORDS.search(around) or _QUOTE_MARKS.search(typed))
