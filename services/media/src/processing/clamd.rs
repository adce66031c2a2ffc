//! The client of clamd, the ClamAV daemon: one connection a scan, by the command `INSTREAM` (clamd(8)).

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::Error;

const CHUNK_BYTES: usize = 64 * 1024;
/// An answer is `stream: ` with a name of a signature, or an error.
const ANSWER_BYTES: u64 = 4 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one chunk: clamd takes them as they come and scans after the last.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Of the scan itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// Where clamd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// `host:port`.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A scanner for malware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clamd {
    place: Place,
}

/// What clamd says of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing known.
    Clean,
    /// A signature of this name.
    Infected(String),
    /// There are more bytes than its `StreamMaxLength`.
    TooLarge,
}

impl FromStr for Clamd {
    type Err = &'static str;

    /// `tcp://host:port` or `unix:///path`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it must be tcp://host:port or unix:///path";
        if let Some(address) = text.strip_prefix("tcp://") {
            let (host, port) = address.rsplit_once(':').ok_or(FORM)?;
            if host.is_empty() || port.parse::<u16>().is_err() {
                return Err(FORM);
            }
            return Ok(Self { place: Place::Tcp(address.to_owned()) });
        }
        let path = text.strip_prefix("unix://").filter(|path| path.starts_with('/')).ok_or(FORM)?;
        Ok(Self { place: Place::Unix(path.into()) })
    }
}

impl Clamd {
    /// Scans a file, in constant memory.
    ///
    /// # Errors
    /// When clamd does not answer, or not as it should; when the file cannot be read.
    pub async fn scan(&self, file: &Path) -> Result<Finding, Error> {
        let mut file = tokio::fs::File::open(file).await.map_err(Error::Disk)?;
        match &self.place {
            Place::Tcp(address) => {
                let stream = in_time(CONNECT_TIMEOUT, connect(address)).await.map_err(Error::Scanner)?;
                stream_to(stream, &mut file).await
            }
            Place::Unix(path) => {
                let stream = in_time(CONNECT_TIMEOUT, UnixStream::connect(path)).await.map_err(Error::Scanner)?;
                stream_to(stream, &mut file).await
            }
        }
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await?.collect();
    TcpStream::connect(addresses.as_slice()).await
}

async fn stream_to<S>(mut clamd: S, file: &mut tokio::fs::File) -> Result<Finding, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = send(&mut clamd, file).await?;
    let mut answer = Vec::new();
    let mut bounded = (&mut clamd).take(ANSWER_BYTES);
    let read = in_time(ANSWER_TIMEOUT, bounded.read_to_end(&mut answer)).await;
    // clamd closes as soon as it has enough: what it said counts more than that it did not take the rest.
    match (read, sent) {
        (Err(error), _) if answer.is_empty() => Err(Error::Scanner(error)),
        (_, Err(error)) if answer.is_empty() => Err(Error::Scanner(error)),
        _ => read_answer(&String::from_utf8_lossy(&answer)),
    }
}

/// Chunks with their length before them, the last one empty. The inner error is of the connection.
async fn send<S>(clamd: &mut S, file: &mut tokio::fs::File) -> Result<io::Result<()>, Error>
where
    S: AsyncWrite + Unpin,
{
    if let Err(error) = in_time(WRITE_TIMEOUT, clamd.write_all(b"zINSTREAM\0")).await {
        return Ok(Err(error));
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut chunk).await.map_err(Error::Disk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        // A chunk is far shorter than 4 GiB.
        let length = u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes();
        let written = in_time(WRITE_TIMEOUT, async {
            clamd.write_all(&length).await?;
            clamd.write_all(bytes).await
        })
        .await;
        if written.is_err() || count == 0 {
            return Ok(written);
        }
    }
}

fn read_answer(answer: &str) -> Result<Finding, Error> {
    let answer = answer.trim_end_matches(['\0', '\n']);
    if answer.ends_with("size limit exceeded. ERROR") {
        return Ok(Finding::TooLarge);
    }
    match answer.strip_prefix("stream: ") {
        Some("OK") => Ok(Finding::Clean),
        Some(found) if found.ends_with(" FOUND") => {
            Ok(Finding::Infected(found.trim_end_matches(" FOUND").chars().take(128).collect()))
        }
        _ => Err(Error::ScannerRefused(answer.chars().take(200).collect())),
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_clamd_are_read() {
        assert_eq!(read_answer("stream: OK\0").unwrap(), Finding::Clean);
        assert_eq!(
            read_answer("stream: Eicar-Test-Signature FOUND\0").unwrap(),
            Finding::Infected("Eicar-Test-Signature".to_owned())
        );
        assert_eq!(read_answer("INSTREAM size limit exceeded. ERROR\0").unwrap(), Finding::TooLarge);
        for other in ["", "stream: ", "stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", "OK"] {
            assert!(read_answer(other).unwrap_err().is_outage(), "{other:?}");
        }
    }

    #[test]
    fn an_address_is_of_tcp_or_a_socket() {
        for text in ["tcp://clamd:3310", "tcp://[::1]:3310", "unix:///run/clamav/clamd.ctl"] {
            assert!(text.parse::<Clamd>().is_ok(), "{text}");
        }
        for text in ["", "clamd:3310", "tcp://clamd", "tcp://:3310", "tcp://a:x", "unix://run/clamd"] {
            assert!(text.parse::<Clamd>().is_err(), "{text}");
        }
    }
}
