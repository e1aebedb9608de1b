"""Words that are spelled in several ways, brought to one: British and American, accents, simple plurals, articles.

`inflect` was tried for plurals: it makes "bu" of bus and "jean" of jeans, and imports for seconds.
"""

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("/", 1) for pair in text.split())


_BRITISH = _pairs(
    "gray/grey color/colour colored/coloured colorful/colourful center/centre centered/centred meter/metre "
    "liter/litre theater/theatre fiber/fibre caliber/calibre somber/sombre saber/sabre luster/lustre "
    "specter/spectre favorite/favourite favor/favour flavor/flavour flavored/flavoured honor/honour humor/humour "
    "labor/labour neighbor/neighbour neighborhood/neighbourhood harbor/harbour parlor/parlour rumor/rumour "
    "savory/savoury vapor/vapour armor/armour behavior/behaviour odor/odour multicolored/multicoloured "
    "jewelry/jewellery jeweler/jeweller pajamas/pyjamas pajama/pyjama mom/mum mommy/mummy donut/doughnut "
    "yogurt/yoghurt aluminum/aluminium mustache/moustache tire/tyre plow/plough ax/axe catalog/catalogue "
    "dialog/dialogue airplane/aeroplane sulfur/sulphur skeptical/sceptical traveler/traveller "
    "traveling/travelling traveled/travelled canceled/cancelled labeled/labelled modeling/modelling "
    "marvelous/marvellous woolen/woollen license/licence defense/defence offense/offence "
    "whiskey/whisky molded/moulded mold/mould smolder/smoulder cozy/cosy omelet/omelette ketchup/ketchup "
    "barbeque/barbecue bbq/barbecue tv/television ok/okay "
    "organized/organised organize/organise realize/realise recognized/recognised recognize/recognise "
    "analyze/analyse pasteurized/pasteurised stylized/stylised grayish/greyish coloring/colouring curb/kerb "
)
"""Pairs of one meaning only: check and cheque, story and storey are not among them."""

_KEEPS_ITS_ACCENT = _words(
    "bär bären schön schöne schönen drücken año años pâté pâtés pêche pêché péché pécher tú él té más sí mí où à là "
    "dú côté coté peña pena moño sueño caña cuña uña ñu papá mamá pié résumé expose exposé rosé für töten tönen "
    "fördern mutter mütter vater väter apfel äpfel bruder brüder schwül wäre führe zähl müsse lösen"
)
"""Without its accent it is another word."""
_LATIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "œ": "oe", "æ": "ae", "ı": "i"})

_IRREGULAR = _pairs(
    "children/child men/man women/woman people/person feet/foot teeth/tooth mice/mouse geese/goose oxen/ox "
    "knives/knife wolves/wolf leaves/leaf loaves/loaf shelves/shelf calves/calf scarves/scarf wives/wife "
    "thieves/thief elves/elf hooves/hoof halves/half axes/axe buses/bus busses/bus gases/gas lenses/lens viruses/virus "
    "cactuses/cactus cacti/cactus octopuses/octopus walruses/walrus campuses/campus circuses/circus canvases/canvas "
    "atlases/atlas irises/iris crocuses/crocus hippopotamuses/hippopotamus platypuses/platypus bonuses/bonus "
    "minibuses/minibus choruses/chorus quizzes/quiz aches/ache headaches/headache moustaches/moustache "
    "avalanches/avalanche cookies/cookie movies/movie zombies/zombie selfies/selfie brownies/brownie hoodies/hoodie "
    "smoothies/smoothie calories/calorie rookies/rookie birdies/birdie veggies/veggie magpies/magpie pies/pie "
    "ties/tie shoes/shoe toes/toe canoes/canoe horseshoes/horseshoe snowshoes/snowshoe tiptoes/tiptoe foes/foe "
    "taxis/taxi skis/ski kiwis/kiwi bikinis/bikini safaris/safari menus/menu emus/emu igloos/igloo eyes/eye "
    "policemen/policeman firemen/fireman snowmen/snowman businessmen/businessman fishermen/fisherman "
    "policewomen/policewoman businesswomen/businesswoman grandchildren/grandchild salesmen/salesman cowmen/cowman"
)
_STAYS = _words(
    "adams williams peters roberts richards phillips edwards andrews stevens matthews daniels simons davids jacobs "
    "michaels martins news glasses sunglasses eyeglasses jeans shorts pants goods customs arms spectacles greens "
    "blues reds whites blacks "
    "browns yellows oranges briefs tights slacks spirits scales means maths clothes species series thanks odds "
    "this his hers its yes lens always perhaps towards afterwards besides whereas sometimes james charles mars "
    "wales paris texas kansas arkansas vegas dallas angeles thomas lucas nicholas athens brussels naples "
    "christmas bahamas honduras caracas netherlands philippines maldives alps andes himalayas adidas levis chaos "
    "cosmos laos carlos barbados rhinoceros asbestos bias alas gas atlas canvas pancreas pyjamas physics "
    "mathematics athletics gymnastics politics ethics economics graphics electronics headquarters gallows "
    "crossroads measles mumps rabies diabetes hives binoculars scissors pliers tweezers trousers overalls "
    "leggings goggles tens hundreds thousands millions billions ones twenties thirties forties fifties sixties "
    "seventies eighties nineties has was does goes times windows woods works tres menos states kudos hermes "
    "mercedes "
)
"""Without its s it is another word, or none."""
_WORD = re.compile(r"[a-z]{4,}")


def spelled(word: str) -> str:
    """A casefolded word in its one spelling: colour for color, cafe for café, dog for dogs."""
    word = unaccented(word)
    word = _BRITISH.get(word, word)
    single = singular(word)
    return _BRITISH.get(single, single)


def unaccented(word: str) -> str:
    """A Latin word without accents; other scripts' marks are letters, and some words are others without theirs."""
    if word.isascii() or word in _KEEPS_ITS_ACCENT:
        return word
    letters: list[str] = []
    marks = unicodedata.normalize("NFD", word.translate(_LATIN))
    if sum(not unicodedata.combining(mark) for mark in marks) == 1:
        return word  # a letter by itself: x̄ is no x
    for mark in marks:
        if not (unicodedata.combining(mark) and letters and "a" <= letters[-1][0] <= "z"):
            letters.append(mark)
    return unicodedata.normalize("NFC", "".join(letters))


def singular(word: str) -> str:
    """One of what an English plural means, if it is a simple one; else the word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _STAYS or not _WORD.fullmatch(word) or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes")) and len(word) > 5:
        return word[:-2]
    if word.endswith("xes"):
        return word[:-2]
    if word.endswith("oes") and len(word) > 5:
        return word[:-2]
    return word[:-1]


_ARTICLES = frozenset(("a", "an", "the"))
_LABEL_AFTER_A = _words("minor major flat sharp positive negative team level levels grade class side")
_BEFORE_AN_ARTICLE = _words(
    "on in of at to by with from under over behind beside near next above below between into onto through across along "
    "around inside outside off for like as and or but is are was has have holding riding wearing eating using playing "
    "carrying reading watching driving walking sitting standing flying catching throwing hitting kicking drinking "
    "making cutting feeding petting pulling pushing crossing it's not than without within toward towards against"
)


def without_articles(words: list[str]) -> list[str]:
    """The words less their articles. An "a" that names (vitamin A, plan A, A minor) and a last word stay."""
    kept: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place > 0 else None
        after = words[place + 1] if place + 1 < len(words) else None
        if word not in _ARTICLES or after is None or not after[0].isalnum() or _names(word, before, after):
            kept.append(word)
    return kept


def _names(article: str, before: str | None, after: str) -> bool:
    """Whether what looks like an article is part of a name."""
    if article == "a":
        named = after in _LABEL_AFTER_A or after in _BEFORE_AN_ARTICLE or after in _ARTICLES
        return named or (before is not None and before not in _BEFORE_AN_ARTICLE)
    return after in _ARTICLES or (article == "the" and after == "who")
