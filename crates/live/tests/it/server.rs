//! Redis servers of a test's own, on loopback, ended with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deadpool_redis::redis::{self, FromRedisValue};
use godwit_live::redis::{RedisLive, RedisOptions};
use godwit_testkit::{eventually, unique};
use tempfile::TempDir;

use crate::support::DEADLINE;

pub struct Server {
    pub port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// A server on a free port that answers.
    pub async fn start(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { port, directory: TempDir::new().unwrap(), arguments, process: None };
        server.start_again().await;
        server
    }

    pub async fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (scripts/setup test)");
        self.process = Some(child);
        eventually(DEADLINE, async || self.ask::<String>(&["PING"]).await).await;
    }

    /// Ends the process without a word to its clients.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops the process as it stands: sockets stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.as_ref().expect("the server runs").id();
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A command from outside.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| _ = command.arg(word));
        command.query_async(&mut connection).await
    }

    pub async fn live(&self) -> RedisLive {
        open(self.url(), false, unique("test:")).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn open(url: String, cluster: bool, key_prefix: String) -> RedisLive {
    RedisLive::connect(RedisOptions { url, cluster, key_prefix }).await.unwrap()
}
