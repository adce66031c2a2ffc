use std::collections::HashMap;
use std::sync::LazyLock;

use whatlang::Lang;

/// Words of a text that are looked at.
const LOOKED_AT_MAX: usize = 64;
/// By so many more of its words than of any other language's a text is known.
const LEAD_MIN: u8 = 2;

/// The words that hold sentences together, in lower case and with accents. A word that several languages have stands in
/// each of them. Languages that are alone in their script need none.
const FUNCTION_WORDS: [(Lang, &str); 23] = [
    (
        Lang::Eng,
        "the and is are was were be been am you he she it we they i my your his her our their this that these those with \
         for from have has had not but what when where who how will would can could should do does did so just there to \
         of in on at by as if or a an no me us all one don't it's i'm",
    ),
    (
        Lang::Deu,
        "der die das und ist nicht ich du er sie wir ihr mit ein eine einen einem einer dem den des auf für von zu zum zur \
         im in am auch aber oder war sind haben habe hat wird noch nur wie was wenn kann bei nach so es mir dir mich bin da",
    ),
    (
        Lang::Fra,
        "le la les des et est une un je tu nous vous il elle ils on pas que qui dans pour sur avec ce cette ces mais ou où \
         du au aux ne se en son sa ses mon ma de sont a c'est j'ai n'est qu'il d'un d'une plus comme",
    ),
    (
        Lang::Spa,
        "el la los las y es una un que de del en por para con no se lo le su sus mi me te pero como más está están son \
         muy ya hay esto yo al si o a cuando",
    ),
    (
        Lang::Por,
        "o a os as e é um uma que de do da dos das em por para com não se no na nos nas mas como mais está são muito já \
         você eu isso foi ao tem meu me te ou",
    ),
    (
        Lang::Ita,
        "il lo la i gli le e è un una che di in per con non si del della dei sono ma come più ho ha anche questo questa ci \
         mi ti al alla da nel o se io",
    ),
    (
        Lang::Nld,
        "de het een en is niet ik je van dat die op te zijn voor met maar ook wat naar aan er nog wel hij zij ze we in als \
         of om bij dan heb heeft was mijn deze",
    ),
    (
        Lang::Dan,
        "og i at det er en den til på de for ikke jeg du med af som et har vi kan men var også hvad der om så han hun mig \
         skal fra vil være",
    ),
    (
        Lang::Swe,
        "och i att det är en den till på de för inte jag du med av som ett har vi kan men var också vad om så han hon mig \
         ska från vill vara",
    ),
    (
        Lang::Nob,
        "og i å det er en den til på de for ikke jeg du med av som et har vi kan men var også hva der om så han hun meg \
         skal fra vil være",
    ),
    (
        Lang::Fin,
        "ja on ei se että hän olen ole mutta kun niin oli minä sinä me he tämä mitä myös vain jos nyt en kuin ovat tai jo \
         sitten",
    ),
    (Lang::Hun, "a az és hogy nem is egy van volt én te mi ez de csak meg már mint lesz vagy ha el ki sem most igen"),
    (Lang::Ron, "și este nu un o de la în cu pe care mai sunt am ai a că din pentru dar ce eu să le se nu o fi sau"),
    (
        Lang::Tur,
        "ve bir bu da de için çok ne ben sen o var yok değil ama gibi daha mi mı mu kadar olarak ile ki şey bana sana",
    ),
    (
        Lang::Pol,
        "i w nie to na się że jest z do co jak ale po tak ja ty był była czy są dla tylko o a od za przez już mnie ci",
    ),
    (Lang::Ces, "a je v se na to že s z do jsem jsi není ale jak co tak by pro už jsou i k o za si od jako byl mi ti"),
    (
        Lang::Cat,
        "el la els les i és una un que de del en per amb no es però com més està són molt ja això al a o si jo hi",
    ),
    (
        Lang::Rus,
        "и в не на я что он она с как это но ты мы вы они был была все так у же по за бы из мне от для его если",
    ),
    (
        Lang::Ukr,
        "і в не на я що він вона з як це але ти ми ви вони був була та у ж за би є від мені для його якщо до й",
    ),
    (Lang::Ara, "من في على أن هذا هذه ما لا إلى عن هو هي كان مع التي الذي أنا كل قد لم"),
    (Lang::Pes, "و در به از که این را با است برای آن یک هم ما من تو بود شد می هر تا"),
    (Lang::Hin, "है के में की का को से और यह नहीं पर हैं मैं था भी एक तो ने हो कि"),
    (Lang::Nep, "छ र को मा हो छन् यो पनि म गर्न ले त्यो लाई थियो भने छैन"),
];

/// The places in the table of the languages that have a word, as bits.
static LANGUAGES_OF: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
    let mut languages_of = HashMap::new();
    for (place, (_, words)) in FUNCTION_WORDS.iter().enumerate() {
        for word in words.split_whitespace() {
            *languages_of.entry(word).or_insert(0) |= 1 << place;
        }
    }
    languages_of
});

/// The language that the function words of a text tell, when they do so clearly. A sentence mostly does, and to count
/// them costs next to nothing, while the statistics of its letters cost more than all the rest of the index.
pub fn language_of<'a>(lower_words: impl Iterator<Item = &'a str>) -> Option<Lang> {
    let mut counts = [0_u8; FUNCTION_WORDS.len()];
    for word in lower_words.take(LOOKED_AT_MAX) {
        let languages = LANGUAGES_OF.get(word).copied().unwrap_or_default();
        for (place, count) in counts.iter_mut().enumerate() {
            *count += u8::from(languages >> place & 1 == 1);
        }
    }
    let (place, most) = (0..).zip(counts).max_by_key(|(_, count)| *count)?;
    let next = (0..).zip(counts).filter(|(other, _)| *other != place).map(|(_, count)| count).max().unwrap_or_default();
    if most < next + LEAD_MIN {
        return None;
    }
    FUNCTION_WORDS.get::<usize>(place).map(|(lang, _)| *lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_known_by_its_function_words() {
        for (text, lang) in [
            ("are you coming to the party tonight", Some(Lang::Eng)),
            ("ich bin da", Some(Lang::Deu)),
            ("ik heb het niet", Some(Lang::Nld)),
            ("je ne sais pas où il est", Some(Lang::Fra)),
            ("ya está muy lejos el coche", Some(Lang::Spa)),
            ("eu não sei o que você disse", Some(Lang::Por)),
            ("non so perché gli altri sono qui", Some(Lang::Ita)),
            ("jag vet inte vad som har hänt", Some(Lang::Swe)),
            ("nie wiem co jest z tym", Some(Lang::Pol)),
            ("вчера мы читали что он был там", Some(Lang::Rus)),
            ("я не знаю що це таке", Some(Lang::Ukr)),
            ("meeting tomorrow", None),
            ("de en", None),
            ("", None),
        ] {
            assert_eq!(language_of(text.split(' ')), lang, "{text}");
        }
    }

    #[test]
    fn what_danes_and_norwegians_share_tells_neither() {
        assert_eq!(language_of("jeg er på vej til det".split(' ')), None);
    }
}
