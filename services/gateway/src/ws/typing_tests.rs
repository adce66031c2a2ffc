use godwit_kernel::{SystemClock, SystemEntropy};
use proptest::prelude::*;

use super::*;

fn ids() -> (ChatId, UserId) {
    (ChatId::generate(&SystemClock, &SystemEntropy), UserId::generate(&SystemClock, &SystemEntropy))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn one_in_three_seconds_passes_and_an_end_at_once_but_once() {
    let (typing, now) = (Typing::default(), Instant::now());
    let (chat, ada) = ids();
    let (other_chat, bob) = ids();
    let due = |kind, after| typing.is_due(chat, ada, kind, now + after);
    assert!(!due(Kind::Cancelled, secs(0)), "nothing began");
    assert!(due(Kind::Goes, secs(0)));
    assert!(!due(Kind::Goes, secs(2)));
    assert!(typing.is_due(chat, bob, Kind::Goes, now) && typing.is_due(other_chat, ada, Kind::Goes, now));
    assert!(due(Kind::Cancelled, secs(2)));
    assert!(!due(Kind::Cancelled, secs(2)));
    assert!(!due(Kind::Goes, secs(2)), "an end opens no way around the limit");
    assert!(due(Kind::Goes, secs(3)));
}

proptest! {
    /// Whatever is asked when, no window of three seconds has two beginnings, and no beginning two ends.
    #[test]
    fn no_one_is_told_more_than_allowed(asked in prop::collection::vec((0..20_000_u64, any::<bool>()), 1..60)) {
        let (typing, now) = (Typing::default(), Instant::now());
        let (chat, user) = ids();
        let mut asked = asked;
        asked.sort_unstable();
        let (mut last, mut is_cancelled) = (None, true);
        for (at_ms, goes) in asked {
            let kind = if goes { Kind::Goes } else { Kind::Cancelled };
            if !typing.is_due(chat, user, kind, now + Duration::from_millis(at_ms)) {
                continue;
            }
            if goes {
                prop_assert!(last.is_none_or(|last| at_ms - last >= 3_000));
                (last, is_cancelled) = (Some(at_ms), false);
            } else {
                prop_assert!(!is_cancelled);
                is_cancelled = true;
            }
        }
    }
}

#[test]
fn a_permission_is_overtaken_by_word_of_a_change_and_by_time() {
    let (chat, ada) = ids();
    let (other_chat, bob) = ids();
    let now = Instant::now();
    type Change = fn(&Typing, ChatId, UserId, Instant);
    let changes: [(Change, bool); 3] = [
        (|typing, chat, user, at| typing.note_left(chat, [user], at), false),
        (|typing, chat, _, at| typing.note_changed(chat, at), true),
        (|typing, _, _, at| typing.note_interruption(at), true),
    ];
    for (change, concerns_all) in changes {
        let typing = Typing::default();
        let remember = |at| [(chat, ada), (chat, bob)].map(|(c, u)| typing.remember(c, u, at, Verdict::Shown));
        remember(now);
        assert_eq!(typing.permission(chat, ada, now + secs(14)), Some(Verdict::Shown));
        assert_eq!(typing.permission(chat, ada, now + secs(15)), None);
        assert_eq!(typing.permission(other_chat, ada, now), None);
        change(&typing, chat, ada, now + secs(1));
        assert_eq!(typing.permission(chat, ada, now + secs(2)), None);
        assert_eq!(typing.permission(chat, bob, now + secs(2)).is_none(), concerns_all);
        // Asked before the change and answered after it: it may be of before.
        typing.remember(chat, ada, now + secs(1), Verdict::Shown);
        assert_eq!(typing.permission(chat, ada, now + secs(2)), None);
        typing.remember(chat, ada, now + secs(2), Verdict::Shown);
        assert_eq!(typing.permission(chat, ada, now + secs(2)), Some(Verdict::Shown));
        // Another gateway may not have heard yet.
        assert!(
            typing.is_quiet(chat, ada, now + secs(2)) && typing.is_quiet(chat, ada, now + secs(1) + PERMISSION_TTL)
        );
        assert!(!typing.is_quiet(chat, ada, now + secs(1) + QUIET));
        assert_eq!(typing.is_quiet(chat, bob, now + secs(2)), concerns_all);
    }
}

#[test]
fn only_small_chats_show_who_types_and_only_those_who_may_post() {
    let policy = |kind: ChatKind, member_count, may_post| GetPostingPolicyResponse {
        is_member: true,
        may_post,
        kind: kind.into(),
        member_count,
        ..GetPostingPolicyResponse::default()
    };
    for (kind, member_count, verdict) in [
        (ChatKind::Direct, 2, Verdict::Shown),
        (ChatKind::Group, 200, Verdict::Shown),
        (ChatKind::Group, 201, Verdict::Hidden),
        (ChatKind::Channel, 3, Verdict::Hidden),
        (ChatKind::Saved, 1, Verdict::Hidden),
    ] {
        assert_eq!(Verdict::of(&policy(kind, member_count, true)), verdict);
    }
    let reason = |policy: &GetPostingPolicyResponse| match Verdict::of(policy) {
        Verdict::Refused(failure) => failure.reason,
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(reason(&policy(ChatKind::Group, 3, false)), "POSTING_NOT_ALLOWED");
    let blocked =
        GetPostingPolicyResponse { refusal: PostingRefusal::Blocked.into(), ..policy(ChatKind::Direct, 2, false) };
    assert_eq!(reason(&blocked), "BLOCKED");
    assert_eq!(reason(&GetPostingPolicyResponse::default()), "CHAT_NOT_FOUND");
}
