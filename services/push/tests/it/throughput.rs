//! How many notifications a core sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use godwit_testkit::eventually;
use tokio::runtime;

use crate::harness::World;
use crate::phone::Phone;
use crate::stage::apns::Apns;
use crate::stage::fcm::Fcm;

const PHONES: usize = 500;
const MESSAGES: u64 = 20;

/// The threads of Apple and Google: what they compute is not push's.
const STAND_IN: &str = "stand-in";

/// Seconds that the other threads of this process have computed: push, and the fakes of the services that it asks.
fn cpu_secs() -> f64 {
    let mut ticks = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(thread.unwrap().path().join("stat")) else { continue };
        let (name, numbers) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = numbers.split_whitespace().collect();
        if !name.contains(STAND_IN) {
            ticks += fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
    }
    ticks / 100.0
}

/// A world whose Apple and Google compute on threads of their own.
async fn world(stand_ins: &runtime::Runtime) -> World {
    let mut world = World::new().await;
    let _context = stand_ins.enter();
    world.apns = Apns::open(&world.authority, Arc::clone(&world.clock) as Arc<_>).await;
    world.fcm = Fcm::open(&world.authority, Arc::clone(&world.clock) as Arc<_>).await;
    world
}

#[derive(Clone, Copy, Debug)]
enum Account {
    Apple,
    Google,
}

/// `cargo test --release -p godwit-push --test it -- --ignored --nocapture throughput`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark"]
#[expect(clippy::print_stdout, reason = "it prints what it measured")]
async fn throughput_over_http2() {
    let stand_ins = runtime::Builder::new_multi_thread().thread_name(STAND_IN).enable_all().build().unwrap();
    for account in [Account::Google, Account::Apple] {
        let world = world(&stand_ins).await;
        let replica = world.start_with_accounts().await;
        let ada = UserId::generate(&SystemClock, &SystemEntropy);
        world.peers.members.lock().unwrap().insert(ada.to_string());
        for _ in 0..PHONES {
            let phone: Phone = world.member_with_phone();
            match account {
                Account::Apple => replica.register_apple(&phone).await,
                Account::Google => replica.register_google(&phone).await,
            }
        }
        let (began, cpu) = (Instant::now(), cpu_secs());
        for seq in 1..=MESSAGES {
            replica.publish(&world, &world.message_of(seq, ada, "hello")).await;
        }
        let count = i64::try_from(PHONES).unwrap() * i64::try_from(MESSAGES).unwrap();
        let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
        eventually(Duration::from_secs(600), async || world.number(sent).await == count).await;
        let (took, computed) = (began.elapsed().as_secs_f64(), cpu_secs() - cpu);
        let count = f64::from(u32::try_from(count).unwrap());
        println!(
            "{account:?}: {count} deliveries in {took:.1} s: {:.0}/s, {:.0} per CPU second of push",
            count / took,
            count / computed
        );
    }
    stand_ins.shutdown_background();
}
