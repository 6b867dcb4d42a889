"""English words and sentences, as the ranking and the passage helper see them.

Small on purpose: a stemmer, the forms a stemmer cannot know, the words a question is made of rather than
about, and sentence borders good enough to quote by. Other languages pass through the same rules and merely
match less well. Called by `ranking`, `definitions` and `passage_helper`.
"""

import re
import threading
from dataclasses import dataclass
from functools import lru_cache

from snowballstemmer import stemmer

# The stemmer keeps the word it works on in itself, and worker threads share it.
_stemmer = stemmer("english")
_stemmer_lock = threading.Lock()

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# A question's frame, not its subject: words that say nothing about where in a text its answer stands.
_STOPWORDS = """
a about after again all also am an and any anyone anything are aren't as ask at be because been before
being book but by call can can't chapter could couldn't define definition did didn't do does doesn't
doing don't explain for from get got had hadn't happen happened happens has hasn't have haven't having he
he'd he'll he's her here hers herself him himself his how i i'd i'll i'm i've if in into is isn't it it's
its itself just kind know let's like lot many may me mean meaning means meant might mine more most much
must my myself no nor not of off on once one only or other our ours out over own page paragraph passage
please question quite really say says sentence shall she she'd she'll she's should shouldn't so some
something story such tell tells text than that that's the their theirs them themselves then there there's
these they they'd they'll they're they've thing things think this those through to too under understand
until up upon us very was wasn't we we'd we'll we're we've were weren't what what's when when's where
where's which while who who's whom whose why why's will with won't word words would wouldn't yes yet you
you'd you'll you're you've your yours yourself
"""
STOPWORDS = frozenset(_STOPWORDS.split())

# The past forms that stemming does not join to their base. Children ask "what did she drink?" where the
# text says that she drank. "saw" and "left" also mean other things and are worth it all the same.
_IRREGULAR_FORMS = """
ate:eat eaten:eat beaten:beat became:become began:begin begun:begin bent:bend bit:bite bitten:bite
blew:blow blown:blow bore:bear bought:buy bound:bind broke:break broken:break brought:bring built:build
burnt:burn came:come caught:catch chose:choose chosen:choose clung:cling crept:creep dealt:deal
drank:drink drew:draw drawn:draw driven:drive drove:drive drunk:drink dug:dig fallen:fall fed:feed
fell:fall felt:feel fled:flee flew:fly flown:fly forgot:forget forgotten:forget fought:fight found:find
froze:freeze frozen:freeze gave:give given:give gone:go went:go grew:grow grown:grow heard:hear held:hold
hid:hide hidden:hide hung:hang kept:keep knelt:kneel knew:know known:know laid:lay led:lead leapt:leap
learnt:learn left:leave lent:lend lit:light lost:lose made:make meant:mean met:meet paid:pay ran:run
rang:ring ridden:ride risen:rise rode:ride rose:rise sang:sing sank:sink sat:sit saw:see seen:see
sent:send shook:shake shaken:shake shone:shine shot:shoot shown:show shrank:shrink slept:sleep slid:slide
sold:sell sought:seek spent:spend spoke:speak spoken:speak sprang:spring stole:steal stolen:steal
stood:stand struck:strike stuck:stick sung:sing sunk:sink swam:swim swept:sweep swore:swear swum:swim
swung:swing taken:take taught:teach thrown:throw threw:throw told:tell took:take tore:tear torn:tear
understood:understand wept:weep woke:wake woken:wake won:win wore:wear worn:wear wound:wind written:write
wrote:write children:child feet:foot geese:goose men:man mice:mouse people:person teeth:tooth women:woman
wolves:wolf knives:knife
"""
_IRREGULAR = dict(pair.split(":") for pair in _IRREGULAR_FORMS.split())


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a paragraph; `first_word` counts in the whole text, `text` is verbatim."""

    text: str
    first_word: int
    word_count: int


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a case-folded word: "burrows" and "burrow" have the same."""
    word = word.replace("’", "'").removesuffix("'s").removesuffix("s'").replace("'", "")
    with _stemmer_lock:
        return _stemmer.stemWord(_IRREGULAR.get(word, word))


def terms(text: str) -> list[str]:
    """Return the stems of all words of `text` but the stopwords, in order, repeated as they are."""
    words = _WORD.findall(text.casefold())
    return [stem(word) for word in words if word.replace("’", "'") not in STOPWORDS]


# A stop, the quotes and brackets that close with it, then a space before what may begin a sentence. After a
# closing quote a small letter goes on with the sentence: “Oh!” said Alice.
_BORDER = re.compile(r"""[.!?…]+['"”’)\]]*\s+(?=['"“‘(\[]*[A-Z0-9À-ÞŒ])""")
# A title, or one capital letter that stands for a name; "I" is a word and ends sentences.
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|vs|e\.g|i\.e|[A-HJ-Z])\.$")


def sentences(text: str, *, first_word: int) -> list[Sentence]:
    """Split a paragraph that begins at word `first_word` of the text; the parts joined are the paragraph."""
    found: list[Sentence] = []
    start = 0
    for border in [match.end() for match in _BORDER.finditer(text)] + [len(text)]:
        piece = text[start:border].strip()
        if not piece or (border < len(text) and _ABBREVIATION.search(piece)):
            continue
        count = len(piece.split())
        found.append(Sentence(piece, first_word, count))
        first_word += count
        start = border
    return found
