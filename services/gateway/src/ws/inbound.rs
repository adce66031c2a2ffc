use std::io;

use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use super::incoming::{Event, Incoming};
use super::outbox::Close;

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;

/// What a client sends, as it comes.
pub struct Inbound<'a> {
    stream: &'a TcpStream,
    incoming: Incoming,
    /// When the frame or message was begun that is not whole yet.
    begun_at: Option<Instant>,
}

impl<'a> Inbound<'a> {
    /// What comes over `stream`, after these bytes that were read from it already.
    pub fn new(stream: &'a TcpStream, early: &[u8]) -> Self {
        Self { stream, incoming: Incoming::new(early), begun_at: None }
    }

    /// The next event. Cancel-safe.
    ///
    /// # Errors
    /// When the connection is over, with the reason.
    pub async fn next(&mut self) -> Result<Event, Close> {
        loop {
            let event = self.incoming.next()?;
            if event.is_some() && !self.incoming.has_fragments() {
                self.begun_at = None;
            }
            if self.incoming.is_within_message() {
                self.begun_at.get_or_insert_with(Instant::now);
            }
            if let Some(event) = event {
                return Ok(event);
            }
            self.stream.readable().await.map_err(|_| Close::Gone)?;
            // A client that sends all the time must give way to others.
            consume_budget().await;
            self.read()?;
        }
    }

    /// Since when a frame or message has been on its way.
    pub fn begun_at(&self) -> Option<Instant> {
        self.begun_at
    }

    /// Nothing was read for a while, which is not the client's doing.
    pub fn forgive_delay(&mut self) {
        if let Some(begun_at) = &mut self.begun_at {
            *begun_at = Instant::now();
        }
    }

    /// Waits until the client is gone. Sees nothing once the client has said something that was not read.
    pub async fn gone(&self) {
        match self.stream.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }

    fn read(&mut self) -> Result<(), Close> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => Err(Close::Gone),
            Ok(count) => {
                self.incoming.put(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Close::Gone),
        }
    }
}
