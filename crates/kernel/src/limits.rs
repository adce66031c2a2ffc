//! Limits of the contract, each enforced in one place. Texts count Unicode scalar values unless a name says bytes.

/// Message text.
pub const MESSAGE_TEXT_CHARS: usize = 4_096;
/// The links under one text together. With it a message is at most some 50 KB, whatever is in it, so that what answers with
/// 200 of them has a limit.
pub const LINK_URLS_BYTES: usize = 8_192;
/// `client_message_id`.
pub const CLIENT_MESSAGE_ID_BYTES: usize = 64;
/// Items of a list when the caller names no limit.
pub const PAGE_DEFAULT: u32 = 50;
/// The most items of a list.
pub const PAGE_MAX: u32 = 200;
/// Updates of `GET /chats/{id}/sync` when the caller names no limit.
pub const SYNC_CHAT_DEFAULT: u32 = 200;
/// The most updates of one sync answer.
pub const SYNC_MAX: u32 = 1_000;
/// The most updates of one answer to `POST /sync` with a cursor of the last minutes.
pub const RESUME_MAX: u32 = 10_000;
/// Updates of `POST /sync` when the caller names no limit.
pub const SYNC_DEFAULT: u32 = 500;
/// Items of a list between services.
pub const INTERNAL_PAGE_MAX: u32 = 10_000;
/// The most ids of a look-up by ids.
pub const BATCH_IDS_MAX: usize = 200;
/// The largest answer of one service to another, in bytes: 200 of the longest messages fit, and 1,000 drafts.
pub const ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// The most messages of one caller to one chat that go to the message service together.
pub const SEND_MESSAGES_MAX: usize = 64;
/// A group with more members tells each only how far they themselves have read.
pub const RECEIPT_MEMBERS_MAX: u32 = 200;
/// A WebSocket frame from a client.
pub const CLIENT_FRAME_BYTES: usize = 64 * 1024;
/// A JSON body.
pub const JSON_BODY_BYTES: usize = 256 * 1024;
/// An e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES: usize = 254;
/// The shortest password, in characters.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// The longest password: what bcrypt reads.
pub const PASSWORD_MAX_BYTES: usize = 72;
/// The shortest username.
pub const USERNAME_MIN_CHARS: usize = 3;
/// The longest username.
pub const USERNAME_MAX_CHARS: usize = 32;
/// Display name.
pub const DISPLAY_NAME_CHARS: usize = 64;
/// What a person says of themselves.
pub const BIO_CHARS: usize = 256;
/// The most friends of one person.
pub const FRIENDS_MAX: i64 = 5_000;
/// The most requests of one person that wait for an answer.
pub const FRIEND_REQUESTS_MAX: i64 = 500;
/// The most people that one person blocks.
pub const BLOCKS_MAX: i64 = 5_000;
/// An uploaded object.
pub const MEDIA_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// A search query.
pub const SEARCH_QUERY_CHARS: usize = 256;

/// The page size for what a caller asked: `default` when zero, never over `max`.
pub const fn page_size(asked: u32, default: u32, max: u32) -> u32 {
    match asked {
        0 => default,
        asked if asked > max => max,
        asked => asked,
    }
}
