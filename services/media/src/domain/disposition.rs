use std::fmt::Write as _;

use super::{ContentType, FileName, Kind};

/// The `Content-Disposition` of a download (RFC 6266): shown in place when that is safe, else saved, under the
/// owner's file name. A document is always saved. The name is given twice: in ASCII for old clients, and in UTF-8 by RFC 8187.
pub fn content_disposition(kind: Kind, content_type: &ContentType, file_name: &FileName) -> String {
    let is_shown = kind != Kind::Document && content_type.is_shown_inline();
    let kind = if is_shown { "inline" } else { "attachment" };
    let ascii: String = file_name
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"%\\".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    let mut encoded = String::with_capacity(file_name.as_str().len());
    for byte in file_name.as_str().bytes() {
        // attr-char of RFC 8187, section 3.2.1.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposition(content_type: &str, file_name: &str) -> String {
        let (content_type, file_name) =
            (ContentType::parse(content_type).unwrap(), FileName::parse(file_name.to_owned()).unwrap());
        content_disposition(Kind::of(&content_type), &content_type, &file_name)
    }

    #[test]
    fn a_document_is_saved_whatever_it_is() {
        let (content_type, file_name) =
            (ContentType::parse("image/png").unwrap(), FileName::parse("a.png".to_owned()).unwrap());
        assert_eq!(
            content_disposition(Kind::Document, &content_type, &file_name),
            "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"
        );
    }

    #[test]
    fn a_picture_is_shown_under_its_name() {
        assert_eq!(
            disposition("image/png", "my cat.png"),
            "inline; filename=\"my cat.png\"; filename*=UTF-8''my%20cat.png"
        );
    }

    #[test]
    fn names_outside_ascii_travel_percent_encoded() {
        assert_eq!(
            disposition("application/pdf", "счёт.pdf"),
            "attachment; filename=\"____.pdf\"; filename*=UTF-8''%D1%81%D1%87%D1%91%D1%82.pdf"
        );
    }

    #[test]
    fn a_quote_cannot_end_the_name() {
        assert_eq!(
            disposition("text/html", "a\"; filename=b.exe"),
            "attachment; filename=\"a_; filename=b.exe\"; filename*=UTF-8''a%22%3B%20filename%3Db.exe"
        );
    }
}
