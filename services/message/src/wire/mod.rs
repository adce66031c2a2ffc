//! Messages and updates as the contract has them: what is stored in `bytea` columns, published and answered. Nothing here
//! asks or waits.

mod entity;
mod extras;
mod membership;
mod message;
mod report;
mod scheduled;
mod scrub;
mod update;
mod withhold;

pub use entity::{canonical_entities, decode_entities, encode_entities};
pub use extras::{
    decode_attachment, decode_extras, decode_reactions, decode_version_entities, encode_attachment, encode_extras,
    encode_reactions, encode_version_entities,
};
pub use membership::{announced_to, membership};
pub use message::{encode_message, message_of};
pub use report::{decode_report_reason, encode_report};
pub use scheduled::{decode_scheduled_content, encode_scheduled, encode_scheduled_content, scheduled_changed};
pub use scrub::{Scrub, scrub_update};
pub use update::{encode_update, partial_update};
pub use withhold::{for_who_came_at, tells_of_before};
