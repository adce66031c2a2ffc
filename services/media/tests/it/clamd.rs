//! A real clamd with one signature of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use godwit_media::processing::Clamd;
use godwit_testkit::eventually;
use tokio::io::{copy, sink};
use tokio::net::{TcpListener, UnixStream};

use crate::s3::spawn;
use crate::world::SOON;

/// The standard test string of antivirus products (EICAR), in two halves, so that nobody takes this file for it.
pub fn eicar() -> Vec<u8> {
    [&br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-"[..], b"ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

pub struct ClamdServer {
    dir: PathBuf,
    child: Option<Child>,
}

impl ClamdServer {
    pub async fn start(dir: &Path) -> Self {
        let dir = dir.join("clamd");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("test.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n").unwrap();
        let config = format!(
            "DatabaseDirectory {0}\nLocalSocket {0}/socket\nForeground true\nStreamMaxLength 4M\nMaxThreads 2\n\
             TemporaryDirectory {0}\n",
            dir.display()
        );
        std::fs::write(dir.join("clamd.conf"), config).unwrap();
        let mut server = Self { dir, child: None };
        server.start_again().await;
        server
    }

    /// Where it listens.
    pub fn place(&self) -> Clamd {
        format!("unix://{}", self.socket().display()).parse().unwrap()
    }

    /// A port on the loopback address from which it is reached by TCP: what comes there goes to its socket.
    pub async fn port(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = self.socket();
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_clamd, mut to_clamd) = UnixStream::connect(&socket).await.unwrap().into_split();
                spawn(async move {
                    if copy(&mut from_client, &mut to_clamd).await.is_err() {
                        // It has enough: the rest is for nobody.
                        let _ = copy(&mut from_client, &mut sink()).await;
                    }
                });
                spawn(async move { copy(&mut from_clamd, &mut to_client).await });
            }
        });
        port
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    pub async fn start_again(&mut self) {
        let log = std::fs::File::create(self.dir.join("log")).unwrap();
        let child = Command::new("clamd")
            .arg(format!("--config-file={}", self.dir.join("clamd.conf").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        eventually(SOON, async || UnixStream::connect(self.socket()).await).await;
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }
}

impl Drop for ClamdServer {
    fn drop(&mut self) {
        self.stop();
    }
}
