use std::time::Duration;

use godwit_call_signaling::domain::{Call, Direction, Event, HistoryQuery, Media, State};
use godwit_kernel::UserId;
use godwit_testkit::eventually;

use crate::replica::{Replica, SOON, World, new_call_id, person};

pub fn newest(limit: i64) -> HistoryQuery {
    HistoryQuery { limit, ..HistoryQuery::default() }
}

/// One call, brought to its end by an event of one of the two; gives the call.
async fn call(replica: &Replica, world: &World, from_ada: bool, media: Media, events: &[(bool, Event)]) -> Call {
    let mut asked = world.call_to_bob();
    asked.media = media;
    if !from_ada {
        (asked.caller, asked.callee_id) = (world.bob, world.ada.user_id);
    }
    let mut call = replica.app.create_call(asked).await.unwrap();
    for (by_ada, event) in events {
        let party = if *by_ada { world.ada } else { world.bob };
        call = replica.app.act_on_call(call.id, party, *event).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(1));
    eventually(SOON, async || replica.app.node.peek(|machine| machine.call(call.id).is_none())).await;
    call
}

async fn ids(replica: &Replica, user_id: UserId, query: HistoryQuery) -> Vec<godwit_kernel::CallId> {
    let page = replica.app.list_history(user_id, query).await.unwrap();
    page.calls.iter().map(|call| call.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_has_what_each_party_may_see_by_their_filters() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let (ada, bob) = (world.ada.user_id, world.bob.user_id);
    let talked = call(&replica, &world, true, Media::Voice, &[(false, Event::Accept), (true, Event::End)]).await;
    let given_up = call(&replica, &world, true, Media::Video, &[(true, Event::Cancel)]).await;
    let declined = call(&replica, &world, false, Media::Voice, &[(true, Event::Decline)]).await;
    let [talked, given_up, declined] = [talked, given_up, declined].map(|call| call.id);

    for user_id in [ada, bob] {
        assert_eq!(ids(&replica, user_id, newest(10)).await, [declined, given_up, talked]);
    }
    let made = HistoryQuery { direction: Some(Direction::Made), ..newest(10) };
    assert_eq!(ids(&replica, ada, made.clone()).await, [given_up, talked]);
    assert_eq!(ids(&replica, bob, made).await, [declined]);
    let received = HistoryQuery { direction: Some(Direction::Received), ..newest(10) };
    assert_eq!(ids(&replica, ada, received).await, [declined]);
    let missed = HistoryQuery { is_missed_only: true, ..newest(10) };
    assert_eq!(ids(&replica, bob, missed.clone()).await, [given_up]);
    assert_eq!(ids(&replica, ada, missed.clone()).await, []);
    let missed_and_made = HistoryQuery { direction: Some(Direction::Made), ..missed };
    assert_eq!(ids(&replica, bob, missed_and_made).await, []);
    let video = HistoryQuery { media: Some(Media::Video), ..newest(10) };
    assert_eq!(ids(&replica, ada, video).await, [given_up]);
    let with_bob = HistoryQuery { peer_id: Some(bob), ..newest(10) };
    assert_eq!(ids(&replica, ada, with_bob).await.len(), 3);
    let with_nobody = HistoryQuery { peer_id: Some(person().user_id), ..newest(10) };
    assert_eq!(ids(&replica, ada, with_nobody).await, []);
    assert_eq!(ids(&replica, world.stranger.user_id, newest(10)).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_leave_nothing_out_and_repeat_nothing() {
    let world = World::new().await;
    let replica = Replica::start(&world).await;
    let mut all = Vec::new();
    for number in 0..7 {
        let from_ada = number % 2 == 0;
        let done = call(&replica, &world, from_ada, Media::Voice, &[(from_ada, Event::Cancel)]).await;
        assert_eq!(done.state, State::Cancelled);
        all.insert(0, done.id);
    }
    let (mut seen, mut query) = (Vec::new(), newest(3));
    loop {
        let page = replica.app.list_history(world.ada.user_id, query.clone()).await.unwrap();
        assert!(page.calls.len() <= 3);
        seen.extend(page.calls.iter().map(|call| call.id));
        if page.next_cursor.is_empty() {
            break;
        }
        query.after = Some(page.next_cursor.parse().unwrap());
    }
    assert_eq!(seen, all);
    // A cursor that is none of the caller's leads nowhere.
    let strange = HistoryQuery { after: Some(new_call_id()), ..newest(3) };
    assert_eq!(ids(&replica, world.ada.user_id, strange).await, []);
}
