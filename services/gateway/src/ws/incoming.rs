//! What a client's bytes say (RFC 6455). No IO: whoever reads puts bytes in and takes events out.

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;
use godwit_kernel::limits::CLIENT_FRAME_BYTES;
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frames::Received;
use super::outbox::Close;

/// The longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// The code that stands for none (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;

/// What a frame came to.
#[derive(Debug)]
pub enum Event {
    /// A whole message.
    Message(Received),
    /// A part of a message that goes on.
    Fragment,
    /// To be answered with a pong of the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
}

/// The incoming half of the protocol. Holds what is not whole yet: at most one message within the limit, and nothing
/// while the client is silent.
#[derive(Default)]
pub struct Incoming {
    /// Bytes behind the last frame that was taken.
    buffer: BytesMut,
    /// Of the frame whose payload is on its way: how many bytes that has.
    header: Option<(FrameHeader, usize)>,
    /// The message whose fragments come.
    message: Option<Message>,
}

struct Message {
    is_text: bool,
    payload: BytesMut,
}

impl Incoming {
    /// One that has these bytes already.
    pub fn new(buffer: BytesMut) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// Adds what was read.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a frame or message was begun and is not whole.
    pub fn is_within_message(&self) -> bool {
        self.message.is_some() || self.header.is_some() || !self.buffer.is_empty()
    }

    /// Whether some fragments of a message have come.
    pub fn has_fragments(&self) -> bool {
        self.message.is_some()
    }

    /// The next event; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the connection is over: the client closes it, or its bytes must end it. A length over the limit shows as soon
    /// as it is announced.
    pub fn next(&mut self) -> Result<Option<Event>, Close> {
        let Some((header, length)) = self.header()? else { return Ok(None) };
        if self.buffer.len() < length {
            self.header = Some((header, length));
            return Ok(None);
        }
        let mut payload = self.buffer.split_to(length);
        if self.buffer.is_empty() {
            // An idle connection keeps no buffer.
            self.buffer = BytesMut::new();
        }
        unmask(&mut payload, header.mask.ok_or(Close::Protocol)?);
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Event::Ping(payload.freeze()))),
            OpCode::Control(Control::Pong) => Ok(Some(Event::Pong)),
            OpCode::Control(Control::Close) => Err(close(&payload)),
            OpCode::Data(data) => self.take_data(data, header.is_final, payload).map(Some),
            OpCode::Control(Control::Reserved(_)) => Err(Close::Protocol),
        }
    }

    /// The header of the frame that comes, once it is whole and may be.
    fn header(&mut self) -> Result<Option<(FrameHeader, usize)>, Close> {
        if let Some(known) = self.header.take() {
            return Ok(Some(known));
        }
        let mut cursor = Cursor::new(&self.buffer);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Close::Protocol)? else {
            return Ok(None);
        };
        let header_bytes = usize::try_from(cursor.position()).map_err(|_| Close::Protocol)?;
        let length = self.check(&header, usize::try_from(length).unwrap_or(usize::MAX))?;
        self.buffer.advance(header_bytes);
        Ok(Some((header, length)))
    }

    /// Whether a frame may come now, and be so long.
    fn check(&self, header: &FrameHeader, length: usize) -> Result<usize, Close> {
        // No extension is ever agreed on, so nothing gives the reserved bits a meaning: compressed frames end here.
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() {
            return Err(Close::Protocol);
        }
        let begun_bytes = match (header.opcode, &self.message) {
            (OpCode::Control(_), _) if header.is_final && length <= CONTROL_BYTES_MAX => return Ok(length),
            (OpCode::Data(Data::Continue), Some(message)) => message.payload.len(),
            (OpCode::Data(Data::Text | Data::Binary), None) => 0,
            _ => return Err(Close::Protocol),
        };
        if length > CLIENT_FRAME_BYTES.saturating_sub(begun_bytes) { Err(Close::FrameTooBig) } else { Ok(length) }
    }

    fn take_data(&mut self, data: Data, is_final: bool, payload: BytesMut) -> Result<Event, Close> {
        let message = match self.message.take() {
            Some(mut message) => {
                message.payload.extend_from_slice(&payload);
                message
            }
            None => Message { is_text: data == Data::Text, payload },
        };
        if !is_final {
            self.message = Some(message);
            return Ok(Event::Fragment);
        }
        let Message { is_text, payload } = message;
        let payload = payload.freeze();
        let received = match is_text {
            true => Received::Text(ByteString::try_from(payload).map_err(|_| Close::InvalidText)?),
            false => Received::Binary(payload),
        };
        Ok(Event::Message(received))
    }
}

/// What the client's close frame says, which is said back to it (RFC 6455, section 5.5.1).
fn close(payload: &[u8]) -> Close {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Close::ByClient(NO_CODE) } else { Close::Protocol };
    };
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) if std::str::from_utf8(reason).is_ok() => {
            Close::ByClient(code)
        }
        1000..=1003 | 1007..=1014 | 3000..=4999 => Close::InvalidText,
        _ => Close::Protocol,
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}
