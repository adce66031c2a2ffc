//! Limits that gateways share, when the Redis that counts them hangs or is gone.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use godwit_live::Live as _;
use godwit_live::redis::{RedisLive, RedisOptions};
use godwit_rpc::Caller;
use godwit_testkit::eventually;

use crate::stage::{SOON, Stage, somebody};

struct Redis {
    port: u16,
    process: Child,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (scripts/setup test)");
        Self { port, process }
    }

    async fn live(&self) -> Arc<RedisLive> {
        let options = RedisOptions {
            url: format!("redis://127.0.0.1:{}", self.port),
            cluster: false,
            key_prefix: "test:".to_owned(),
        };
        let live = Arc::new(RedisLive::connect(options).await.unwrap());
        eventually(SOON, async || live.check().await).await;
        live
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// How many calls of a device go through at once, and how long they took.
async fn burst(stage: &Stage, caller: &Caller) -> (usize, Duration) {
    let began_at = Instant::now();
    let mut count = 0;
    while stage.get("/chats", caller).send().await.unwrap().status() == 200 {
        count += 1;
    }
    (count, began_at.elapsed())
}

#[tokio::test]
async fn while_redis_hangs_limits_hold_and_calls_do_not_wait_for_it() {
    let redis = Redis::start();
    let stage = Stage::with(&["--gateway-requests-per-sec=10"]).await;
    stage.live.count_by(redis.live().await);
    assert!(burst(&stage, &somebody()).await.0 >= 30);
    redis.signal("-STOP");
    let asked_before = stage.live.token_asks.load(Ordering::Relaxed);
    let (count, took) = burst(&stage, &somebody()).await;
    assert!(count >= 30, "{count}");
    // A call in a second waits for it, and no other.
    let asked = stage.live.token_asks.load(Ordering::Relaxed) - asked_before;
    assert!(u64::try_from(asked).unwrap() <= 2 + took.as_secs(), "{asked} of {count} calls in {took:?}");
    redis.signal("-CONT");
    // Counted by all gateways again: what another one took is missed here.
    eventually(SOON, async || {
        let caller = somebody();
        let key = format!("gateway:read:user:{}", caller.user_id);
        assert_eq!(stage.get("/chats", &caller).send().await.unwrap().status(), 200);
        let bucket = godwit_live::TokenBucket { capacity: 40, refill_per_sec: 10.0 };
        let store = redis.live().await;
        match store.take_token(&key, bucket).await.unwrap() {
            godwit_live::TokenDecision::Taken { remaining } if remaining <= 38 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn when_redis_is_gone_each_gateway_counts_by_itself() {
    let redis = Redis::start();
    let stage = Stage::with(&["--gateway-requests-per-sec=10"]).await;
    stage.live.count_by(redis.live().await);
    drop(redis);
    let (count, _) = burst(&stage, &somebody()).await;
    assert!((30..300).contains(&count), "{count}");
}
