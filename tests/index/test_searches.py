"""Searches as people type them, by kind: which of two articles comes first, by words alone."""

from collections.abc import Sequence

import pytest

from app.index.analysis import count_article_terms
from app.index.bm25 import LexicalIndex
from app.index.language import detect_language
from app.index.query import parse_query
from app.index.segments import TermDocument, pack_terms


def rank(texts: Sequence[str], query: str, *, corrects: bool = True) -> list[int]:
    """Return the places of the texts that a query finds, best first; ties are an error."""
    index = LexicalIndex(corrects_spelling=corrects)
    index.apply(
        [
            TermDocument(
                n, 1, pack_terms(count_article_terms("", text, detect_language(text))).data
            )
            for n, text in enumerate(texts)
        ]
    )
    found = index.score(parse_query(query), 1).best(len(texts))
    assert len(found) < 2 or found[0][1] > found[1][1], f"{found} is a tie"
    return [number for number, _ in found]


SYMBOLS = [
    ("C#", ["The C# client is installed with nuget.", "The C client is installed with make."]),
    ("C++", ["The C++ client is installed with cmake.", "The C client is installed with make."]),
    ("C", ["The C client is installed with make.", "The C# client is installed with nuget."]),
    ("c++17", ["Since C++17 files have paths.", "Since C17 files have names."]),
    ("F# tour", ["A tour of F#.", "A tour of F and G."]),
    (".NET", ["Install the .NET runtime.", "Install the runtime on net-booted machines."]),
    ("A/B test", ["An A/B test compares two pages.", "Test a page, then b page, in turn."]),
    ("R&D budget", ["The R&D budget is fixed.", "R is a language, D is another; the budget."]),
    ("R & D", ["The R&D team is in Bonn.", "The R team and the D team are in Ulm."]),
    ("24/7", ["Support answers 24/7.", "Room 24 has 7 chairs, room 247 none."]),
    ("TCP/IP", ["TCP/IP is a family of protocols.", "IP addresses are given out by hand."]),
    ("@anna", ["Write to @anna about keys.", "Anna is away."]),
    ("#release", ["Ask in #release first.", "A release comes each month."]),
    ("§5", ["See § 5 of the contract.", "See page 5 of the contract."]),
    ("AT&T", ["AT&T is our carrier.", "We are at T. Carrier is another."]),
    ("g++", ["Compile with g++ on Linux.", "Compile with g on Linux."]),
]
NUMBERS = [
    ("1250", ["The fee is 1,250 euros.", "The fee is 250 euros."]),
    ("1,250", ["Die Gebühr ist 1.250 Euro.", "Die Gebühr ist 1,25 Euro."]),
    ("1 250", ["Le prix est de 1250 euros.", "Le prix est de 250 euros."]),
    ("1250", ["Le prix est de 1\u202f250 euros.", "Le prix est de 250 euros."]),
    ("1'250", ["Der Preis ist 1250 Franken.", "Der Preis ist 250 Franken."]),
    ("100000", ["The grant is 1,00,000 rupees.", "The grant is 1,000 rupees."]),
    ("1250.50", ["It costs 1,250.50 in all.", "It costs 1,250 in all and 50 later."]),
    ("1250,50", ["Le prix est de 1\u202f250,50 euros.", "Le prix est de 250,50 euros."]),
    ("1 250,50", ["It costs 1,250.50 in all.", "It costs 250.50 in all, 1 of them."]),
    ("250", ["The fine is 250 euros.", "The fee is 1,250 euros."]),
    ("2.1.13", ["Release 2.1.13 is here.", "Release 2.11.3 is here."]),
    ("v2.11.3", ["Release 2.11.3 is here.", "Release 2.1.13 is here."]),
    ("10.1.12.3", ["Printer at 10.1.12.3.", "Scanner at 101.1.2.3."]),
    ("1.1", ["Changes in 1.1 are few.", "Changes in 1.10 are few."]),
    ("CVE‑2024‑1234", ["CVE-2024-1234 is mended.", "CVE-2024-12345 is mended."]),
    ("4111 1111 1111 1111", ["The card 4111111111111111.", "The card 4222222222222222."]),
    ("DE89 3704 0044 05", ["It is DE893704004405 now.", "It is DE893704004406 now."]),
    ("call 0800 123 4567", ["Call 08001234567 at night.", "Call 08007654321 at night."]),
    ("5551234", ["Call 555-1234 at night.", "Call 555 and then 12."]),
    ("2024", ["رقم الطلب ٢٠٢٤ والأسعار", "رقم الطلب ٢٠٢٥ والأسعار"]),
    ("१२५०", ["The fee is 1250 rupees.", "The fee is 250 rupees."]),
]
INVISIBLE = [
    ("Datenschutz", ["Der Daten\u00adschutz ist wichtig.", "Der Schutz der Daten ist wichtig."]),
    ("password", ["Reset the pass\u200bword here.", "Pass the word here."]),
    ("Datenschutz", ["Der Daten\u00ad\nschutz ist da.", "Der Brandschutz ist da."]),
    ("ex\u00adport", ["The export is done at night.", "The import is done at night."]),
]
ONE_CHARACTER = [
    ("猫", ["私は猫が好きです。", "私は犬が好きです。"]),
    ("税", ["消費税は十パーセントです。", "送料は無料です。"]),
    ("茶", ["绿茶应该保存在阴凉处。", "咖啡应该保存在阴凉处。"]),
    ("물", ["물을 마시세요.", "차를 마시세요."]),
    ("か", ["これはかです。", "これはきです。"]),
]
FOLDED = [
    ("ഭാഷയില്\u200d", ["മലയാളം ഭാഷയിൽ എഴുതുക", "മലയാളം വായിക്കുക"]),
    ("Lodz", ["Biuro w mieście Łódź jest otwarte.", "Biuro w Warszawie jest otwarte."]),
    ("Soren", ["Søren leads support.", "Anders leads support."]),
    ("Tromso", ["The office in Tromsø is small.", "The office in Oslo is small."]),
    ("isik", ["Işık Apartmanı ısıtma sistemi.", "Güneş Apartmanı su sistemi."]),
    ("IŞIK", ["Işık Apartmanı ısıtma sistemi.", "Güneş Apartmanı su sistemi."]),
    ("Mueller", ["Herr Müller ist am Telefon.", "Herr Maier ist am Telefon."]),
    ("Müller", ["Herr Mueller ist am Telefon.", "Herr Maier ist am Telefon."]),
    ("Strasse", ["Die Straße ist gesperrt.", "Die Brücke ist gesperrt."]),
    ("STRASSE", ["Die Straße ist gesperrt.", "Die Brücke ist gesperrt."]),
    (
        "Da Nang",
        ["Văn phòng ở Đà Nẵng rất nhỏ.", "Văn phòng ở Huế rất lớn."],
    ),
    ("bao hanh", ["Thời gian bảo hành là hai năm.", "Thời gian giao hàng là hai ngày."]),
    ("ΛΟΓΟΣ", ["Ο λόγος είναι απλός.", "Ο δρόμος είναι απλός."]),
    ("ايام", ["يستغرق التوصيل ثلاثة أيام.", "يستغرق التوصيل أسبوعا."]),
    ("مدة", ["مُدَّةُ الضَّمَانِ سَنَتَانِ.", "رقم الطلب في الأعلى."]),
    ("ضمان", ["الضمان لمدة سنتين.", "التوصيل خلال ثلاثة أيام."]),
    ("قيمت", ["قیمت‌ها ثابت است", "دستگاه را خاموش کنید"]),
    ("کتاب", ["كتاب اینجا است", "دفتر اینجا است"]),
    ("نمیتوان", ["دستگاه را نمی‌توان خاموش کرد", "دستگاه را روشن کنید"]),
    ("החזרה", ["הַחֲזָרָה תּוֹךְ שְׁבוּעַיִם", "משלוח תוך שלושה ימים"]),
    ("חזרה", ["החזרה תוך שבועיים", "משלוח תוך שלושה ימים"]),
    ("елка", ["Ёлка стоит в зале.", "Сосна стоит в лесу."]),
    ("हिन्दी", ["यह हिंदी में लिखा है।", "यह अंग्रेज़ी में लिखा है।"]),
    ("संबंध", ["आपके सम्बन्ध अच्छे हैं।", "आपके काम अच्छे हैं।"]),
    ("पांच", ["डिलीवरी पाँच दिन में होगी।", "डिलीवरी छह दिन में होगी।"]),
    ("ﾃﾚﾋﾞ", ["テレビを消してください。", "ラジオを消してください。"]),
]
# One of each language with rules of its own, and of some without: another form of a word.
INFLECTED = [
    ("batteries", ["Replace the battery first.", "Replace the fuse first."]),
    ("Garantie", ["Die Garantien gelten für zwei Jahre.", "Die Preise gelten für ein Jahr."]),
    ("garantía", ["Las garantías duran dos años.", "Los precios duran un año."]),
    ("réparation", ["Les réparations durent trois jours.", "Les livraisons durent deux jours."]),
    ("riparazione", ["Le riparazioni sono gratuite per tutti.", "Le consegne sono gratuite."]),
    ("garantia", ["As garantias são de dois anos para todos.", "As entregas são de dois dias."]),
    ("garantie", ["De garanties gelden twee jaar.", "De prijzen gelden een jaar."]),
    ("faktura", ["Fakturorna skickas varje månad till alla.", "Breven skickas varje vecka."]),
    ("regning", ["Regningerne sendes hver måned til kunderne.", "Brevene sendes hver uge."]),
    ("lasku", ["Laskut lähetetään joka kuukausi asiakkaille.", "Kirjeet tulevat viikoittain."]),
    ("гарантия", ["Срок гарантии составляет два года.", "Срок доставки составляет два дня."]),
    ("gwarancja", ["Okres gwarancji wynosi dwa lata.", "Okres dostawy wynosi dwa dni."]),
    ("záruka", ["Doba záruky jsou dva roky.", "Doba dodání jsou dva dny."]),
    ("számla", ["A számlák minden hónapban jönnek.", "A levelek minden héten jönnek."]),
    ("garanție", ["Garanțiile sunt valabile doi ani.", "Livrările sunt gratuite."]),
    ("ayar", ["Ayarlar menüden değiştirilir.", "Fiyatlar yılda bir kez değişir."]),
    ("εγγύηση", ["Οι εγγυήσεις ισχύουν για δύο χρόνια.", "Οι τιμές ισχύουν για ένα χρόνο."]),
    ("मशीन", ["मशीनों का ढक्कन खोलें और लाल बटन दबाएं।", "वारंटी दो साल की है।"]),
    (
        "tagihan",
        ["Tagihannya dikirim setiap bulan.", "Surat dikirim tiap minggu."],
    ),
    ("반품", ["반품은 칠 일 안에 가능합니다.", "배송은 이 일 안에 가능합니다."]),
    ("การรับประกัน", ["การรับประกันมีระยะเวลาสองปี", "การจัดส่งใช้เวลาสามวัน"]),
]
JOINED = [
    ("wifi", ["Connect to Wi-Fi first.", "Connect to Bluetooth first."]),
    ("Wi-Fi", ["Connect to wifi first.", "Connect to Bluetooth first."]),
    ("wi fi", ["Connect to wifi first.", "Connect to Bluetooth first."]),
    ("email", ["Send an e-mail to us.", "Send a letter to us."]),
    ("e-mails", ["Send an email to us.", "Send a letter to us."]),
    ("log in", ["The login page is blank.", "The start page is blank."]),
    ("login", ["You log in with a key.", "You leave with a key."]),
    ("data base", ["The database is full.", "The data are on a disk."]),
    ("database", ["The data base is full.", "The data are on a disk."]),
    ("put-object", ["PutObject writes a file.", "GetObject reads a file."]),
]
NAMES = [
    ("US delivery", ["Delivery to the US takes nine days.", "Delivery to us takes nine days."]),
    ("contact IT", ["Contact IT at the desk.", "Contact HR: it is open at the desk."]),
    ("the WHO guideline", ["The WHO guideline is short.", "Who wrote the guideline?"]),
    ("vitamin A", ["Take vitamin A daily.", "Take vitamin B daily."]),
    ("U.S. law", ["US law applies.", "EU law applies."]),
]
TYPED = [
    ("expreso", ["Espresso is strong, as is expresso.", "Tea is weak."]),
    ("cofee", ["Coffee is hot.", "Tea is hot."]),
    ("cofffee", ["Coffee is hot.", "Tea is hot."]),
    ("machnie", ["The machine is off.", "The kettle is off."]),
    ("mashine", ["The machine is off.", "The kettle is off."]),
    ("Garantei", ["Die Garantie gilt zwei Jahre.", "Der Preis gilt zwei Jahre."]),
    ("гарантая", ["Гарантия действует два года.", "Доставка длится два дня."]),
    ("coffee", ["Coffee is hot.", "A coffe is a coffe is a coffe."]),
    # The slip hides an ending, or makes one.
    ("addres", ["The address is new.", "The name is new."]),
    ("proccess", ["The process ends.", "The race ends."]),
    ("postgress", ["Postgres is needed.", "A disk is needed."]),
    ("Rechnunegn", ["Die Rechnungen kommen monatlich.", "Die Briefe kommen monatlich."]),
    ("Lieerung", ["Die Lieferung ist gratis.", "Die Reparatur ist gratis."]),
    ("livrasion", ["La livraison est gratuite pour tous.", "La visite est gratuite pour tous."]),
    ("devolucoin", ["La devolución es gratis para todos.", "La entrega es gratis para todos."]),
    ("sipairşler", ["Siparişler yarın gönderilir.", "Mektuplar yarın gönderilir."]),
]
DATES = [
    ("2024-05-01", ["It opens on 1 May 2024.", "It opens on 5 January 2024.", "1 June 2024."]),
    ("1 May 2024", ["It opens on 2024-05-01.", "It opens on 2024-05-10.", "2024-06-01 it is."]),
    ("May 1st, 2024", ["It opens on 1 May 2024.", "It opens on 1 June 2024.", "May 2024."]),
    ("1st of May 2024", ["It opens on 01.05.2024.", "It opens on 05.10.2024."]),
    ("01.05.2024", ["It opens on May 1, 2024.", "It opens on May 5, 2024."]),
    ("1/5/2024", ["It opens on 01/05/2024.", "It opens on 01/06/2024."]),
    ("What opens on Sept. 3, 2024?", ["The pool: 2024-09-03.", "The pool: 2024-03-09."]),
    ("3 May", ["The pool opens on 3 May.", "The pool opens on 3 June."]),
]
NUMBERED = [
    ("box", ["The boxes are blue.", "The bags are blue."]),
    ("buses", ["The bus is blue.", "The car is blue."]),
    ("index of a vertex", ["The indices of all vertices.", "The sums of all edges."]),
    ("children", ["Each child has one.", "Each king has one."]),
]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        *SYMBOLS,
        *NUMBERS,
        *INVISIBLE,
        *ONE_CHARACTER,
        *FOLDED,
        *INFLECTED,
        *JOINED,
        *NAMES,
        *TYPED,
        *DATES,
        *NUMBERED,
        ("🔴", ["🔴 means stopped.", "🟢 means running."]),
    ],
)
def test_first_article_is_the_one_that_was_meant(query: str, texts: list[str]) -> None:
    assert rank(texts, query)[:1] == [0]
    assert rank(texts[::-1], query)[:1] == [len(texts) - 1]


@pytest.mark.parametrize("query", ["???", "🫖", "--", "§", "“”", "xylophone"])
def test_what_no_article_holds_finds_nothing(query: str) -> None:
    assert rank(["Tea is hot.", "Coffee is hot, too."], query) == []


@pytest.mark.parametrize(
    "query",
    ["2024-05-01", "31 February 2024", "0/0/2024", "99.99.2024", "5 APRİL 2024", "5 aprıl 2024"],
)
def test_date_that_no_article_has_is_only_its_words(query: str) -> None:
    texts = ["The meeting of 2024 is short.", "The meeting of 2023 is long."]
    assert rank(texts, query) == [0]


def test_other_number_is_found_below_the_word_itself() -> None:
    texts = ["A box.", "Boxes, boxes and boxes: the boxes are in other boxes."]
    assert rank(texts, "box") == [0, 1]
    assert rank(texts, "boxes") == [1, 0]


def test_slip_is_found_below_the_word_itself_and_only_where_it_is_asked_for() -> None:
    texts = ["A coffe is a coffe is a coffe.", "Hot coffee, with milk and sugar and much else."]
    assert rank(texts, "coffee") == [1, 0]
    assert rank(texts, "coffee", corrects=False) == [1]


@pytest.mark.parametrize("query", ["mouse", "a1250", "tea"])
def test_common_short_and_numbered_words_are_not_corrected(query: str) -> None:
    texts = [*["The mouse is grey."] * 3, "A mouse.", "The house is grey.", "a1251", "A tee."]
    index_found = rank_all(texts, query)
    assert not index_found & {4, 5, 6}


def rank_all(texts: Sequence[str], query: str) -> set[int]:
    index = LexicalIndex()
    index.apply(
        [
            TermDocument(n, 1, pack_terms(count_article_terms("", text, "en")).data)
            for n, text in enumerate(texts)
        ]
    )
    return {n for n, _ in index.score(parse_query(query), 1).best(len(texts))}
