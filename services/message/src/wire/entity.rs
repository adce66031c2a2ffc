use godwit_contract::v1 as pb;
use godwit_rpc::{InvalidField, parse_id};

use crate::domain::{Entity, EntityKind};

/// The contract's form.
pub fn encode_entities(entities: &[Entity]) -> Vec<pb::MessageEntity> {
    entities.iter().map(encode).collect()
}

fn encode(entity: &Entity) -> pb::MessageEntity {
    let mut encoded =
        pb::MessageEntity { offset: entity.offset, length: entity.length, ..pb::MessageEntity::default() };
    let kind = match &entity.kind {
        EntityKind::Bold => pb::EntityKind::Bold,
        EntityKind::Italic => pb::EntityKind::Italic,
        EntityKind::Underline => pb::EntityKind::Underline,
        EntityKind::Strikethrough => pb::EntityKind::Strikethrough,
        EntityKind::Code => pb::EntityKind::Code,
        EntityKind::CodeBlock { language } => {
            encoded.language.clone_from(language);
            pb::EntityKind::CodeBlock
        }
        EntityKind::Spoiler => pb::EntityKind::Spoiler,
        EntityKind::Quote => pb::EntityKind::Quote,
        EntityKind::Link { url } => {
            encoded.url.clone_from(url);
            pb::EntityKind::Link
        }
        EntityKind::Mention { user_id } => {
            encoded.user_id = user_id.to_string();
            pb::EntityKind::Mention
        }
    };
    encoded.kind = kind.into();
    encoded
}

/// What a client gave, of which the place in a text is still to be checked.
///
/// # Errors
/// When a kind is not known, or a field does not belong to its kind.
pub fn decode_entities(entities: &[pb::MessageEntity]) -> Result<Vec<Entity>, InvalidField> {
    entities.iter().map(decode).collect()
}

fn decode(entity: &pb::MessageEntity) -> Result<Entity, InvalidField> {
    let kind = match entity.kind() {
        pb::EntityKind::Unspecified => return Err(InvalidField::new("entities", "a kind is missing or not known")),
        pb::EntityKind::Bold => EntityKind::Bold,
        pb::EntityKind::Italic => EntityKind::Italic,
        pb::EntityKind::Underline => EntityKind::Underline,
        pb::EntityKind::Strikethrough => EntityKind::Strikethrough,
        pb::EntityKind::Code => EntityKind::Code,
        pb::EntityKind::CodeBlock => EntityKind::CodeBlock { language: entity.language.clone() },
        pb::EntityKind::Spoiler => EntityKind::Spoiler,
        pb::EntityKind::Quote => EntityKind::Quote,
        pb::EntityKind::Link => EntityKind::Link { url: entity.url.clone() },
        pb::EntityKind::Mention => EntityKind::Mention { user_id: parse_id("entities.user_id", &entity.user_id)? },
    };
    let decoded = Entity { offset: entity.offset, length: entity.length, kind };
    if encode(&decoded) != *entity {
        return Err(InvalidField::new("entities", "a field does not belong to its kind"));
    }
    Ok(decoded)
}

/// One line for each, for the hash of what a sender chose.
pub fn canonical_entities(entities: &[Entity]) -> Vec<String> {
    entities
        .iter()
        .map(encode)
        .map(|e| format!("{} {} {} {} {} {}", e.kind, e.offset, e.length, e.user_id, e.language, e.url))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_wire_form() {
        for kind in 1..=10 {
            let kind = pb::EntityKind::try_from(kind).unwrap();
            let mut entity = pb::MessageEntity { kind: kind.into(), offset: 1, length: 2, ..Default::default() };
            match kind {
                pb::EntityKind::Link => "https://example.org".clone_into(&mut entity.url),
                pb::EntityKind::Mention => "0197a0d0-0000-7000-8000-000000000000".clone_into(&mut entity.user_id),
                pb::EntityKind::CodeBlock => "rust".clone_into(&mut entity.language),
                _ => {}
            }
            let decoded = decode_entities(std::slice::from_ref(&entity)).unwrap();
            assert_eq!(encode_entities(&decoded), [entity]);
        }
    }

    #[test]
    fn what_is_not_known_or_does_not_belong_is_refused() {
        let bold = pb::MessageEntity { kind: pb::EntityKind::Bold.into(), length: 1, ..Default::default() };
        for entity in [
            pb::MessageEntity { kind: 0, ..bold.clone() },
            pb::MessageEntity { kind: 99, ..bold.clone() },
            pb::MessageEntity { url: "https://example.org".to_owned(), ..bold.clone() },
            pb::MessageEntity { kind: pb::EntityKind::Mention.into(), user_id: "nobody".to_owned(), ..bold },
        ] {
            assert!(decode_entities(&[entity]).is_err());
        }
    }
}
