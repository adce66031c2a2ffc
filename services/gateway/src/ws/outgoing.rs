//! Frames to a client (RFC 6455), written from where they are: a frame that goes to many is copied for none of them.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frames::Wire;
use super::outbox::Close;

/// The longest header that a server writes: it masks nothing.
const HEADER_BYTES_MAX: usize = 10;
/// A client that takes so many bytes has made room for more.
const PROGRESS_BYTES: usize = 16 * 1024;

/// One frame of the protocol, ready to be written.
pub struct Frame {
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    payload: Bytes,
}

impl Frame {
    /// A whole message.
    pub fn message(wire: Wire) -> Self {
        match wire {
            Wire::Text(text) => Self::new(OpCode::Data(Data::Text), text.into_bytes()),
            Wire::Binary(bytes) => Self::new(OpCode::Data(Data::Binary), bytes),
        }
    }

    /// Asks for a sign of life.
    pub fn ping() -> Self {
        Self::new(OpCode::Control(Control::Ping), Bytes::new())
    }

    /// Answers a ping of these bytes.
    pub fn pong(payload: Bytes) -> Self {
        Self::new(OpCode::Control(Control::Pong), payload)
    }

    /// The last.
    pub fn close(close: Close) -> Self {
        let payload = match close {
            // A close frame without a code is answered by one without a code.
            Close::ByClient(1005) => Bytes::new(),
            _ => [close.code().to_be_bytes().as_slice(), close.description().as_bytes()].concat().into(),
        };
        Self::new(OpCode::Control(Control::Close), payload)
    }

    fn new(opcode: OpCode, payload: Bytes) -> Self {
        let described = FrameHeader { opcode, ..FrameHeader::default() };
        let mut header = [0; HEADER_BYTES_MAX];
        let mut rest = header.as_mut_slice();
        // Fails only where there is no room for it.
        let _ = described.format(u64::try_from(payload.len()).unwrap_or(u64::MAX), &mut rest);
        let header_bytes = HEADER_BYTES_MAX - rest.len();
        Self { header, header_bytes, payload }
    }

    /// The size of what it carries.
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(self.header.get(..self.header_bytes).unwrap_or_default()), IoSlice::new(&self.payload)]
    }
}

/// Writes frames.
///
/// # Errors
/// When the connection is gone, or the client does not make room within `limit`: then nothing more can be written, because
/// a frame may be there in part.
pub async fn write(stream: &TcpStream, frames: &[Frame], limit: Duration) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = frames.iter().flat_map(Frame::slices).collect();
    let mut rest = slices.as_mut_slice();
    let mut until = Instant::now() + limit;
    let mut progress = 0;
    while !rest.is_empty() {
        match stream.try_write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                IoSlice::advance_slices(&mut rest, count);
                progress += count;
                if progress >= PROGRESS_BYTES {
                    until = Instant::now() + limit;
                    progress = 0;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout_at(until, stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
