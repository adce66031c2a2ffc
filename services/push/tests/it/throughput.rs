//! How many notifications a core sends.

use std::time::{Duration, Instant};

use godwit_kernel::{SystemClock, SystemEntropy, UserId};
use godwit_testkit::eventually;

use crate::harness::World;
use crate::phone::Phone;

const PHONES: usize = 500;
const MESSAGES: u64 = 20;

/// Seconds that this process has computed: the service and the stand-in together.
fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// `cargo test --release -p godwit-push --test it -- --ignored --nocapture throughput`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark"]
#[expect(clippy::print_stdout, reason = "it prints what it measured")]
async fn throughput_over_http2() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let ada = UserId::generate(&SystemClock, &SystemEntropy);
    world.peers.members.lock().unwrap().insert(ada.to_string());
    let phones: Vec<Phone> = (0..PHONES).map(|_| world.member_with_phone()).collect();
    for phone in &phones {
        replica.register_google(phone).await;
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
        "{count} deliveries in {took:.1} s: {:.0}/s, {:.0} per CPU second of this process",
        count / took,
        count / computed
    );
}
