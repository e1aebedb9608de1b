"""Units of measure and currencies: every usual spelling → one symbol. Letter case counts where two units differ by it.

A table of ours: pint reads "cats" as hundredths of a technical atmosphere, and quantulum3 asks for a trained model.
"""

import re

_PREFIXES = {
    "n": "nano", "μ": "micro", "m": "milli", "c": "centi", "d": "deci", "h": "hecto", "k": "kilo", "M": "mega",
    "G": "giga", "T": "tera", "P": "peta",
}  # fmt: skip
_PREFIXED = (
    # symbol, names, prefixes in use
    ("m", ("metre", "meter"), "nμmcdk"),
    ("g", ("gram", "gramme"), "μmk"),
    ("L", ("litre", "liter"), "μmcdh"),
    ("s", ("second", "sec"), "nμm"),
    ("Hz", ("hertz",), "kMGT"),
    ("W", ("watt",), "mkMGT"),
    ("Wh", ("watt-hour", "watt hour"), "kMGT"),
    ("J", ("joule",), "kMG"),
    ("V", ("volt",), "mkM"),
    ("A", ("ampere", "amp"), "μmk"),
    ("N", ("newton",), "kM"),
    ("Pa", ("pascal",), "hkM"),
    ("B", ("byte",), "kMGTP"),
    ("bit", ("bit",), "kMGT"),
    ("cal", ("calorie",), "k"),
    ("t", ("tonne", "metric ton"), "kM"),
    ("Ω", ("ohm",), "mkM"),
    ("px", ("pixel",), "M"),
)
_OTHERS = {
    # symbol: other symbols (letter case counts) | names (it does not; plural s is known)
    "%": "%|percent|per cent|pct",
    "‰": "‰|per mille|permille",
    "pp": "pp|percentage point",
    "°": "°|degree|deg",
    "°C": "°C ℃ degC|° c|degree c|degrees c|deg c|degree celsius|degrees celsius|° celsius|celsius|degree "
    "centigrade|degrees centigrade|centigrade",
    "°F": "°F ℉ degF|° f|degree f|degrees f|deg f|degree fahrenheit|degrees fahrenheit|° fahrenheit|fahrenheit",
    "K": "K|kelvin",
    "in": "in in. \"|inch|inches",
    "ft": "ft ft. '|foot|feet",
    "yd": "yd yds|yard",
    "mi": "mi|mile",
    "nmi": "nmi|nautical mile",
    "ly": "ly|light-year|light year|lightyear",
    "AU": "AU|astronomical unit",
    "acre": "ac|acre",
    "ha": "ha|hectare",
    "kg": "kg|kilo",
    "oz": "oz oz.|ounce",
    "fl oz": "fl.oz.|fl oz|fluid ounce|fl. oz.|fl. oz",
    "lb": "lb lbs lb. lbs.|pound",
    "ton": "|ton",
    "ct": "ct|carat|karat",
    "tbsp": "tbsp Tbsp tbs|tablespoon",
    "tsp": "tsp|teaspoon",
    "pt": "pt|pint",
    "qt": "qt|quart",
    "gal": "gal gal.|gallon",
    "cc": "cc ccm|cubic centimetre|cubic centimeter",
    "min": "min min. mins|minute",
    "h": "h hr hrs hr.|hour",
    "day": "d|day",
    "week": "wk wks|week",
    "month": "mo mos|month",
    "year": "y yr yrs yr. yo y/o|year|years old|year old|year-old|years-old|years of age",
    "fortnight": "|fortnight",
    "furlong": "|furlong",
    "fathom": "|fathom",
    "league": "|league",
    "pc": "|parsec",
    "Å": "Å|angstrom|ångström",
    "μm": "|micron",
    "bushel": "|bushel",
    "cwt": "cwt|hundredweight",
    "quintal": "|quintal",
    "therm": "|therm",
    "tesla": "|tesla",
    "gauss": "|gauss",
    "farad": "|farad",
    "henry": "|henry",
    "coulomb": "|coulomb",
    "Wb": "Wb|weber",
    "Sv": "Sv|sievert",
    "Bq": "Bq|becquerel",
    "Ci": "Ci|curie",
    "cd": "|candela",
    "erg": "|erg",
    "dyn": "dyn|dyne",
    "baud": "Bd|baud",
    "mol": "mol|mole of|moles of",
    "decade": "|decade",
    "century": "|century|centuries",
    "mph": "mph MPH mi/h|mile per hour|miles per hour",
    "km/h": "kmh kph KPH kmph|kilometre per hour|kilometer per hour|kilometres per hour|kilometers per hour",
    "mpg": "mpg MPG|miles per gallon|mile per gallon",
    "kn": "kn kt kts|knot",
    "rpm": "rpm RPM r/min",
    "bpm": "bpm BPM",
    "fps": "fps FPS",
    "dpi": "dpi DPI",
    "ppm": "ppm|parts per million",
    "dB": "dB|decibel",
    "hp": "hp HP bhp|horsepower",
    "psi": "psi PSI",
    "mbar": "mbar|millibar",
    "atm": "atm|atmosphere",
    "mmHg": "mmHg",
    "rad": "rad|radian",
    "lm": "lm|lumen",
    "lx": "lx|lux",
    "mAh": "mAh|milliamp hour|milliampere hour",
    "eV": "eV|electronvolt",
    "BTU": "BTU Btu",
    "kbps": "kbps kbit/s",
    "Mbps": "Mbps Mbit/s",
    "Gbps": "Gbps Gbit/s",
    "MP": "MP|megapixel",
    "kbit": "kb", "Mbit": "Mb", "Gbit": "Gb", "Tbit": "Tb",
    "KiB": "KiB", "MiB": "MiB", "GiB": "GiB", "TiB": "TiB",
    "IU": "IU",
    "pH": "pH",
}  # fmt: skip
_MONEY = {
    "$": "$ US$ USD U.S.$|dollar|us dollar|buck",
    "€": "€ EUR|euro",
    "£": "£ GBP|pound sterling|pounds sterling|british pound|quid",
    "¥": "¥ JPY|yen",
    "yuan": "CNY RMB 元|yuan|renminbi",
    "₹": "₹ INR Rs Rs.|rupee",
    "₩": "₩ KRW|won",
    "₽": "₽ RUB|ruble|rouble",
    "₺": "₺ TRY|lira",
    "฿": "฿ THB|baht",
    "₫": "₫ VND|dong",
    "₪": "₪ ILS|shekel",
    "₴": "₴ UAH|hryvnia",
    "₦": "₦ NGN|naira",
    "R$": "R$ BRL|reais",
    "A$": "A$ AU$ AUD|australian dollar",
    "C$": "C$ CA$ CAD|canadian dollar",
    "HK$": "HK$ HKD|hong kong dollar",
    "NZ$": "NZ$ NZD|new zealand dollar",
    "S$": "S$ SGD|singapore dollar",
    "¢": "¢|cent",
    "penny": "|penny|pence|pennies",
    "CHF": "CHF Fr.|swiss franc|franc",
    "SEK": "SEK|krona|kronor|swedish krona",
    "NOK": "NOK|norwegian krone",
    "DKK": "DKK|danish krone",
    "kr": "kr kr.|krone|kroner",
    "PLN": "PLN zł|zloty|złoty|zlotych",
    "CZK": "CZK Kč|koruna",
    "HUF": "HUF Ft|forint",
    "MXN": "MXN|mexican peso",
    "peso": "₱ PHP|peso",
    "ZAR": "ZAR|rand",
    "AED": "AED|dirham",
    "SAR": "SAR|riyal",
    "IDR": "IDR Rp|rupiah",
    "MYR": "MYR RM|ringgit",
    "TWD": "TWD NT$",
    "dinar": "JOD KWD RSD|dinar",
    "shilling": "KES|shilling",
    "taka": "BDT ৳|taka",
    "tenge": "KZT ₸|tenge",
    "lari": "GEL ₾|lari",
    "leu": "RON MDL|leu",
    "lev": "BGN|lev|leva",
    "birr": "ETB|birr",
    "cedi": "GHS ₵|cedi",
    "guarani": "PYG ₲|guarani|guaraní",
    "sol": "PEN|nuevo sol",
    "kwacha": "ZMW|kwacha",
    "kip": "LAK ₭|kip",
    "tugrik": "MNT ₮|tugrik",
    "colon": "CRC ₡|colones",
    "pula": "BWP|pula",
    "afghani": "AFN|afghani",
    "manat": "AZN ₼|manat",
    "dram (AMD)": "AMD ֏|armenian dram",
    "BTC": "BTC ₿|bitcoin",
}
MONEY_SIGNS = tuple(symbol for symbol in _MONEY if len(symbol) == 1 and symbol != "¢")
"""Written before the number."""


def _entries() -> list[tuple[str, list[str], list[str]]]:
    """(canonical symbol, symbols, names) of every unit."""
    found: list[tuple[str, list[str], list[str]]] = []
    for symbol, names, prefixes in _PREFIXED:
        found.append((symbol, [symbol], list(names)))
        found += [(p + symbol, [p + symbol], [_PREFIXES[p] + name for name in names]) for p in prefixes]
    for symbol, spelt in (*_OTHERS.items(), *_MONEY.items()):
        symbols, *named = spelt.split("|")
        found.append((symbol, [symbol, *symbols.split()], named))
    return found


_CODE = re.compile(r"(?!USD|EUR|GBP|INR|JPY|CNY|RMB|MPH|KPH|RPM|BPM|FPS|DPI|PSI|BTU)[A-Z]{3}")
"""Codes of currencies that in small letters are words, as pen and try are."""
_SYMBOLS: dict[str, str] = {}
_FOLDED: dict[str, set[str]] = {}
_NAMES: dict[str, str] = {}
for _canonical, _spellings, _named in _entries():
    for _spelling in _spellings:
        _SYMBOLS.setdefault(_spelling, _canonical)
        if not _CODE.fullmatch(_spelling):
            _FOLDED.setdefault(_spelling.casefold(), set()).add(_canonical)
    for _name in _named:
        _NAMES.setdefault(_name, _canonical)
        _NAMES.setdefault(_name + "s", _canonical)
_LOOSE = {
    "l": "L", "ml": "mL", "KB": "kB", "Kg": "kg", "um": "μm", "ohm": "Ω", "kWH": "kWh", "kcals": "kcal", "cals": "cal",
    "secs": "s", "gms": "g", "gm": "g", "kgs": "kg", "cms": "cm", "kms": "km", "mtrs": "m",
}  # fmt: skip
for _spelling, _canonical in _LOOSE.items():
    _SYMBOLS[_spelling] = _canonical
    _FOLDED.setdefault(_spelling.casefold(), set()).add(_canonical)

_ONLY_AT_THE_END = re.compile(r"[A-Za-z]|in|ac|st|no|mo")
"""Symbols that are words or letters of other uses too: "5 in" is inches, "5 in the picture" is not."""
_FOLLOWERS = re.compile(
    r"\s*(?:$|[.,;:!?)\]×x/]|(?:long|wide|tall|high|deep|thick|away|apart|per|and|of|in total|by|old|each|heavy)\b|-)"
)
_LONGEST_FIRST = sorted({*_SYMBOLS, *_NAMES}, key=len, reverse=True)
_UNIT = re.compile(
    r"\s?-?(?P<raised>(?:square|sq\.?|cubic|cu\.?)[ -])?(?P<unit>"
    + "|".join(
        re.escape(spelling) + (r"(?!(?![23]\b)\w)" if spelling[-1].isalnum() else "") for spelling in _LONGEST_FIRST
    )
    + r")(?P<power>(?:\^|(?=[23]\b))[1-4])?(?!\w)",
    re.IGNORECASE,
)
_PER = re.compile(r"\s*/\s*|\s+(?:per|an?)\s+")


def unit_at(text: str, start: int) -> tuple[str, int] | None:
    """(canonical unit, where it ends) of the unit that begins at `start`, None if no known one does.

    Raises `ValueError` where the letters are a unit's but letter case leaves open which: "5 Mw".
    """
    first = _one_unit(text, start)
    unit, end = first or ("", start)
    per = _PER.match(text, end)
    if per is not None:
        second = _one_unit(text, per.end())
        if second is not None:
            return _UNITED.get(f"{unit}/{second[0]}", f"{unit}/{second[0]}"), second[1]
    return first


_UNITED = {"mi/h": "mph", "mi/gal": "mpg", "kbit/s": "kbps", "Mbit/s": "Mbps", "Gbit/s": "Gbps"}


def _one_unit(text: str, start: int) -> tuple[str, int] | None:
    found = _UNIT.match(text, start)
    if found is None:
        return None
    unit = _meant(found["unit"])
    if unit is None:
        return None
    spaced = text[start : start + 1].isspace()
    if not spaced and not _may_touch(found["unit"], text[:start]):
        return None
    if spaced and _ONLY_AT_THE_END.fullmatch(found["unit"]) and not _FOLLOWERS.match(text, found.end()):
        return None
    power = (found["power"] or "").removeprefix("^")
    if found["raised"]:
        power = "2" if found["raised"].lower().startswith("sq") else "3"
    return unit + (f"^{power}" if power and power != "1" else ""), found.end()


def _may_touch(spelling: str, before: str) -> bool:
    """Whether a unit may follow its number without a space: 3D, 2B, 4K, 5A and the 1930s are none."""
    if spelling in ('"', "'") or len(spelling) > 1 or not spelling.isalpha():
        return True
    return spelling in "mgLlWVNJhtΩ" or (spelling == "s" and not before.endswith("0"))


def _meant(spelling: str) -> str | None:
    """The canonical symbol, None if it is none in these letters. Raises `ValueError` if it could be several."""
    if spelling in _SYMBOLS:
        return _SYMBOLS[spelling]
    if spelling.lower() in _NAMES:
        return _NAMES[spelling.lower()]
    meant = _FOLDED.get(spelling.casefold())
    if meant is None:
        return None
    if len(meant) > 1 or len(spelling) == 1:
        raise ValueError(spelling)
    return next(iter(meant))


def money_before(text: str) -> tuple[int, str | None]:
    """(where a currency at the end of `text` begins, its canonical symbol): "$", "US$ ", "EUR " before a number.

    (the length of the text, None) if there is none.
    """
    found = _MONEY_BEFORE.search(text)
    return (len(text), None) if found is None else (found.start(), _SYMBOLS[found[1]])


def is_sign(unit: str) -> bool:
    """Whether the unit is a currency that is written before its number."""
    return unit in MONEY_SIGNS


_CODES = sorted(
    {s for spelt in _MONEY.values() for s in spelt.split("|")[0].split() if s != "¢"}, key=len, reverse=True
)
_MONEY_BEFORE = re.compile(r"(?<![\w.])(" + "|".join(map(re.escape, _CODES)) + r")\s?$")
