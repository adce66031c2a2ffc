//! Links in texts, and what the pages behind them say of themselves.

use encoding_rs::{Encoding, UTF_8};
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use url::Url;

use super::{Entity, EntityKind, LinkPreview, limits};

const TITLE_CHARS: usize = 300;
const DESCRIPTION_CHARS: usize = 600;
const SITE_NAME_CHARS: usize = 100;
/// Where a page may name its encoding (HTML, section 13.2.3.2).
const PRESCAN_BYTES: usize = 1_024;

/// The first http or https link of a text: one that it shows, or one under a part of it. What stands in code or is hidden
/// is none.
pub fn first_link(text: &str, entities: &[Entity]) -> Option<Url> {
    let under = entities.iter().filter_map(|entity| match &entity.kind {
        EntityKind::Link { url } => Some((entity.offset, url.as_str())),
        _ => None,
    });
    let mut links: Vec<(u32, &str)> = under.chain(shown_links(text, entities)).collect();
    links.sort_by_key(|(offset, _)| *offset);
    links.into_iter().find_map(|(_, link)| web_address(link))
}

fn shown_links<'a>(text: &'a str, entities: &'a [Entity]) -> impl Iterator<Item = (u32, &'a str)> {
    let is_plain = |offset: u32| {
        !entities.iter().any(|entity| {
            let is_opaque =
                matches!(entity.kind, EntityKind::Code | EntityKind::CodeBlock { .. } | EntityKind::Spoiler);
            is_opaque && (entity.offset..entity.offset.saturating_add(entity.length)).contains(&offset)
        })
    };
    let words = text.split_inclusive(char::is_whitespace).scan(0_u32, |offset, word| {
        let begin = *offset;
        *offset += u32::try_from(word.encode_utf16().count()).unwrap_or(u32::MAX / 2);
        Some((begin, word.trim_end()))
    });
    words
        .filter_map(|(begin, word)| {
            let lower = word.to_ascii_lowercase();
            let place = ["http://", "https://"].iter().filter_map(|scheme| lower.find(scheme)).min()?;
            let (before, link) = (word.get(..place)?, word.get(place..)?);
            let is_begin = before.chars().next_back().is_none_or(|character| !character.is_alphanumeric());
            is_begin
                .then(|| (begin + u32::try_from(before.encode_utf16().count()).unwrap_or(0), without_punctuation(link)))
        })
        .filter(move |(offset, _)| is_plain(*offset))
}

/// A link as it is meant: what closes the sentence or the brackets around it is not of it.
fn without_punctuation(link: &str) -> &str {
    let end = link.find(['<', '>', '"']).unwrap_or(link.len());
    let mut link = link.get(..end).unwrap_or(link);
    loop {
        let Some(last) = link.chars().next_back() else { return link };
        let is_closing = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '…' | '’' | '”' | '»' => true,
            ')' => link.matches(')').count() > link.matches('(').count(),
            ']' => link.matches(']').count() > link.matches('[').count(),
            '}' => link.matches('}').count() > link.matches('{').count(),
            _ => false,
        };
        if !is_closing {
            return link;
        }
        link = link.get(..link.len() - last.len_utf8()).unwrap_or("");
    }
}

/// The link, if it leads to a page of the web that has a name.
fn web_address(link: &str) -> Option<Url> {
    if link.len() > limits::LINK_URL_BYTES {
        return None;
    }
    let mut url = Url::parse(link).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    // The page is the same.
    url.set_fragment(None);
    Some(url)
}

/// What a page says of itself; `None` when it says nothing.
pub fn read_page(link: &Url, content_type: &str, body: &[u8]) -> Option<LinkPreview> {
    let (text, _, _) = encoding_of(content_type, body).decode(body);
    let said = Said::read(&text);
    let title = first_of([&said.og_title, &said.title, &said.twitter_title], TITLE_CHARS);
    let description = first_of([&said.og_description, &said.description, &said.twitter_description], DESCRIPTION_CHARS);
    if title.is_empty() && description.is_empty() {
        return None;
    }
    let site_name = tidy(&said.site_name, SITE_NAME_CHARS);
    Some(LinkPreview { url: link.as_str().to_owned(), title, description, site_name })
}

/// What the header says, else what the page says at its begin, else UTF-8. A byte order mark goes before all.
fn encoding_of(content_type: &str, body: &[u8]) -> &'static Encoding {
    let begin = String::from_utf8_lossy(body.get(..PRESCAN_BYTES).unwrap_or(body)).to_ascii_lowercase();
    charset(&content_type.to_ascii_lowercase()).or_else(|| charset(&begin)).unwrap_or(UTF_8)
}

fn charset(text: &str) -> Option<&'static Encoding> {
    let (_, after) = text.split_once("charset=")?;
    let label: &str = after.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(['"', '\'', ' ', ';', '>', '/']).unwrap_or(label.len());
    Encoding::for_label(label.get(..end)?.as_bytes())
}

#[derive(Default)]
struct Said {
    title: String,
    description: String,
    og_title: String,
    og_description: String,
    site_name: String,
    twitter_title: String,
    twitter_description: String,
}

impl Said {
    /// Reads up to the page's body.
    fn read(page: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        // Without it, what stands in a script or a title would be read as tags.
        emitter.naively_switch_states(true);
        let (mut said, mut is_in_title) = (Self::default(), false);
        for Ok(token) in Tokenizer::new_with_emitter(page, emitter) {
            match token {
                Token::StartTag(tag) if tag.name.as_slice() == b"body" => break,
                Token::StartTag(tag) if tag.name.as_slice() == b"title" => is_in_title = said.title.is_empty(),
                Token::StartTag(tag) if tag.name.as_slice() == b"meta" => said.take_meta(&tag),
                Token::EndTag(tag) if tag.name.as_slice() == b"head" => break,
                Token::EndTag(tag) if tag.name.as_slice() == b"title" => is_in_title = false,
                Token::String(text) if is_in_title => said.title.push_str(&String::from_utf8_lossy(&text)),
                _ => {}
            }
        }
        said
    }

    fn take_meta(&mut self, tag: &StartTag<()>) {
        let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let name = attribute(b"property").or_else(|| attribute(b"name")).unwrap_or_default();
        let place = match name.trim().to_ascii_lowercase().as_str() {
            "og:title" => &mut self.og_title,
            "og:description" => &mut self.og_description,
            "og:site_name" => &mut self.site_name,
            "twitter:title" => &mut self.twitter_title,
            "twitter:description" => &mut self.twitter_description,
            "description" => &mut self.description,
            _ => return,
        };
        // The first stands.
        if place.is_empty() {
            *place = attribute(b"content").unwrap_or_default();
        }
    }
}

fn first_of(texts: [&String; 3], chars: usize) -> String {
    texts.into_iter().map(|text| tidy(text, chars)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// One line without what cannot be seen, such as marks that turn the direction of the text around it; at most so many
/// characters, with an ellipsis when there were more.
fn tidy(text: &str, chars: usize) -> String {
    let is_hidden = |character: &char| {
        let number = u32::from(*character);
        character.is_control() && !character.is_whitespace()
            || matches!(number, 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0xfeff | 0xe0000..=0xe007f)
    };
    let visible: String = text.chars().filter(|character| !is_hidden(character)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().nth(chars).is_none() {
        return line;
    }
    let mut short: String = line.chars().take(chars - 1).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(text: &str) -> Option<String> {
        first_link(text, &[]).map(String::from)
    }

    #[test]
    fn the_first_link_of_a_text_is_found_as_it_is_meant() {
        for (text, expected) in [
            ("see https://example.org/a?b=c#d now", "https://example.org/a?b=c"),
            ("(http://example.org/x).", "http://example.org/x"),
            ("HTTPS://Example.ORG!", "https://example.org/"),
            (
                "https://en.example.org/wiki/Godwit_(bird), and http://b.example",
                "https://en.example.org/wiki/Godwit_(bird)",
            ),
            ("🐦\nhttps://münchen.example/", "https://xn--mnchen-3ya.example/"),
            ("<https://example.org>", "https://example.org/"),
        ] {
            assert_eq!(link(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "example.org",
            "ftp://example.org",
            "xhttps://example.org",
            "https://",
            "https://user:pass@example.org/",
        ] {
            assert_eq!(link(text), None, "{text}");
        }
        assert_eq!(link(&format!("https://example.org/{}", "x".repeat(2_048))), None);
    }

    fn entity(offset: u32, length: u32, kind: EntityKind) -> Entity {
        Entity { offset, length, kind }
    }

    #[test]
    fn links_under_a_text_count_and_those_in_code_or_hidden_do_not() {
        let text = "look here or at https://b.example";
        let under = entity(0, 4, EntityKind::Link { url: "https://a.example/".to_owned() });
        assert_eq!(first_link(text, &[under]).unwrap().as_str(), "https://a.example/");
        let mail = entity(0, 4, EntityKind::Link { url: "mailto:a@a.example".to_owned() });
        assert_eq!(first_link(text, &[mail]).unwrap().as_str(), "https://b.example/");
        for kind in [EntityKind::Code, EntityKind::CodeBlock { language: String::new() }, EntityKind::Spoiler] {
            assert_eq!(first_link(text, &[entity(16, 17, kind)]), None);
        }
    }

    fn read(page: &str) -> Option<LinkPreview> {
        read_page(&"https://example.org/a".parse().unwrap(), "text/html; charset=utf-8", page.as_bytes())
    }

    #[test]
    fn a_page_tells_what_it_is() {
        let page = "<!doctype html><html><head><title> Plain\n title </title>
            <meta property='og:title' content='Tom &amp; Jerry &lt;3'><meta name=description content=plain>
            <meta property=\"OG:Description\" content=\"  What\u{202e} it\t is  \">
            <meta property=og:site_name content=Example></head>
            <body><meta property=og:title content=evil><title>evil</title>";
        let preview = read(page).unwrap();
        assert_eq!(preview.title, "Tom & Jerry <3");
        assert_eq!((preview.description.as_str(), preview.site_name.as_str()), ("What it is", "Example"));
        assert_eq!(preview.url, "https://example.org/a");
        let plain = read("<title>Only &eacute;</title><meta name=description content=this>").unwrap();
        assert_eq!((plain.title.as_str(), plain.description.as_str()), ("Only é", "this"));
    }

    #[test]
    fn a_page_that_says_nothing_has_no_preview() {
        for page in
            ["", "<html><body>text</body>", "<title> \u{200b} </title>", "{\"json\": true}", "<meta property=og:title>"]
        {
            assert_eq!(read(page), None, "{page}");
        }
        assert_eq!(read("<script>var a = '<title>no</title>'</script><style><title>no</title></style>"), None);
    }

    #[test]
    fn long_texts_are_cut() {
        let page =
            format!("<title>{}</title><meta name=description content='{}'>", "é".repeat(9_999), "é".repeat(9_999));
        let preview = read(&page).unwrap();
        assert_eq!((preview.title.chars().count(), preview.description.chars().count()), (300, 600));
    }

    #[test]
    fn encodings_are_what_the_header_or_the_page_says() {
        let link: Url = "https://example.org/".parse().unwrap();
        let title = |content_type: &str, body: &[u8]| read_page(&link, content_type, body).unwrap().title;
        assert_eq!(title("text/html; charset=iso-8859-1", b"<title>caf\xe9</title>"), "café");
        assert_eq!(title("text/html", b"<meta charset='windows-1251'><title>\xcf\xf0\xe8</title>"), "При");
        assert_eq!(title("text/html", "<title>café</title>".as_bytes()), "café");
        assert_eq!(title("text/html; charset=nonsense", b"<title>caf\xff</title>"), "caf\u{fffd}");
    }

    proptest! {
        #[test]
        fn no_text_and_no_page_is_too_much(text in ".{0,80}", page in proptest::collection::vec(any::<u8>(), 0..200)) {
            first_link(&format!("{text}https://a.example{text}"), &[]);
            let link: Url = "https://example.org/".parse().unwrap();
            let mut body = b"<meta property=og:title content='x".to_vec();
            body.extend(&page);
            if let Some(preview) = read_page(&link, "text/html", &body) {
                prop_assert!(preview.title.chars().count() <= 300 && preview.description.chars().count() <= 600);
            }
        }
    }
}
