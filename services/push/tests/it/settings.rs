use godwit_contract::push::v1::{NotificationPreview, UpdateNotificationSettingsRequest};
use godwit_testkit::eventually;

use crate::harness::{SOON, World};
use crate::phone::Phone;

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_everything_until_they_are_changed_one_by_one() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (bob, eve) = (world.member_with_phone(), world.member_with_phone());
    let of = async |phone: &Phone| {
        let settings = replica.settings(phone).await;
        (settings.preview(), settings.are_mentions_muted)
    };
    assert_eq!(of(&bob).await, (NotificationPreview::Full, false));
    let hidden = NotificationPreview::Hidden.into();
    let changed = UpdateNotificationSettingsRequest { preview: hidden, are_mentions_muted: None };
    assert_eq!(replica.change_settings(&bob, changed).await.preview(), NotificationPreview::Hidden);
    let changed = UpdateNotificationSettingsRequest { preview: 0, are_mentions_muted: Some(true) };
    replica.change_settings(&bob, changed).await;
    assert_eq!(of(&bob).await, (NotificationPreview::Hidden, true));
    assert_eq!(of(&eve).await, (NotificationPreview::Full, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_hides_passes_through_no_push_service() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, bob) = (world.member_with_phone(), world.member_with_phone());
    replica.register_apple(&bob).await;
    world.peers.facts.lock().unwrap().1 = "Secret society".to_owned();
    let cases = [
        (NotificationPreview::Full, [true, true, true]),
        (NotificationPreview::Sender, [true, true, false]),
        (NotificationPreview::Hidden, [false, false, false]),
    ];
    for (seq, (preview, shown)) in (1..).zip(cases) {
        let changed = UpdateNotificationSettingsRequest { preview: preview.into(), are_mentions_muted: None };
        replica.change_settings(&bob, changed).await;
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "the text")).await;
        let count = usize::try_from(seq).unwrap();
        let pushed =
            eventually(SOON, async || Some(world.apns.at(&bob.token)).filter(|pushed| pushed.len() == count)).await;
        let payload = pushed.last().unwrap().payload.to_string();
        let found = ["Secret society", "User ", "the text"].map(|word| payload.contains(word));
        assert_eq!(found, shown, "{preview:?}: {payload}");
        assert_eq!(payload.contains(&ada.user_id().to_string()), shown[1], "{payload}");
    }
}
