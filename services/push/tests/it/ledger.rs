//! Nothing is lost and nothing is told twice, whatever is stopped and killed meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use godwit_testkit::eventually;

use crate::harness::{SOON, World};
use crate::phone::Phone;

const PHONES: usize = 10;
const ROUNDS: u64 = 12;
const MESSAGES: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn every_device_is_told_of_every_message_while_apple_and_processes_come_and_go() {
    let mut world = World::new().await;
    let mut replica = world.start_with_accounts().await;
    let ada = world.member_with_phone();
    let phones: Vec<Phone> = (0..PHONES).map(|_| world.member_with_phone()).collect();
    for phone in &phones {
        replica.register_apple(phone).await;
    }
    let (mut seq, mut interruption_count) = (0, 0);
    for round in 0..ROUNDS {
        match round % 4 {
            1 => {
                interruption_count += 1;
                world.apns.server.stop().await;
            }
            2 => world.apns.server.start_again().await,
            3 => {
                // As a crash: claims stay, and nothing is handed over.
                interruption_count += 1;
                replica.platform.tasks.stop(godwit_runtime::Stage::Work, tokio::time::Instant::now()).await;
                replica = world.start_with_accounts().await;
            }
            _ => {}
        }
        for _ in 0..MESSAGES {
            seq += 1;
            let update = world.message_of(seq, ada.user_id(), "hello");
            // The stream gives records again.
            replica.publish(&world, &update).await;
            replica.publish(&world, &update).await;
        }
        world.clock.advance(Duration::from_secs(7));
    }
    let expected = i64::try_from(PHONES).unwrap() * i64::try_from(seq).unwrap();
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'sent'";
    eventually(SOON * 3, async || {
        world.clock.advance(Duration::from_secs(10));
        world.number(sent).await == expected
    })
    .await;
    let mut ledger: BTreeMap<(String, String), BTreeMap<(String, String), usize>> = BTreeMap::new();
    for pushed in world.apns.all() {
        let seq = pushed.payload["godwit"]["seq"].as_str().unwrap().to_owned();
        *ledger.entry((pushed.token, seq)).or_default().entry((pushed.id, pushed.collapse_id)).or_default() += 1;
    }
    assert_eq!(ledger.len(), usize::try_from(expected).unwrap(), "each device, each message");
    // A try whose answer was lost is made again, with the same id and the same collapse id: it takes the other's place.
    assert!(ledger.values().all(|tries| tries.len() == 1), "one id and one collapse id a device and message");
    // A device has one try at a time, so that Apple's end or the process's loses one answer of it at most.
    for phone in &phones {
        let counts =
            ledger.iter().filter(|((token, _), _)| *token == phone.token).flat_map(|(_, tries)| tries.values());
        let again: usize = counts.map(|count| count - 1).sum();
        assert!(again <= interruption_count, "{again} repeats in {interruption_count} interruptions");
    }
}
