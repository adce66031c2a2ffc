use time::{Duration, OffsetDateTime};

/// A key is listed this long before it signs, so that verifiers have it when its first token comes.
const LEAD: Duration = Duration::minutes(10);
/// A superseded key is listed this long beyond the life of its last token: replicas look at the table now and then,
/// and clocks differ.
const MARGIN: Duration = Duration::minutes(5);

/// When a key was made and when it takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// Which.
    pub id: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it signs; until the next one does.
    pub signs_from: OffsetDateTime,
}

/// How often keys change, and how long what they signed lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// The age at which the newest key gets a successor.
    pub rotation: Duration,
    /// Of the tokens.
    pub token_life: Duration,
}

/// What is to be done with the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlan {
    /// A new key is due, which signs from this instant.
    pub make_signing_from: Option<OffsetDateTime>,
    /// Keys whose last token is over.
    pub retire: Vec<String>,
}

impl KeyPlan {
    /// The plan for these keys.
    pub fn of(keys: &[KeyTimes], rule: KeyRule, now: OffsetDateTime) -> Self {
        let newest = keys.iter().map(|key| key.created_at).max();
        let make_signing_from = match newest {
            None => Some(now),
            Some(newest) => (now - newest >= rule.rotation).then_some(now + LEAD),
        };
        let is_over = |key: &&KeyTimes| {
            let successor = keys.iter().map(|other| other.signs_from).filter(|from| *from > key.signs_from).min();
            successor.is_some_and(|from| from + rule.token_life + MARGIN <= now)
        };
        Self { make_signing_from, retire: keys.iter().filter(is_over).map(|key| key.id.clone()).collect() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.make_signing_from.is_none() && self.retire.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const RULE: KeyRule = KeyRule { rotation: Duration::days(30), token_life: Duration::minutes(15) };

    fn key(id: &str, created_at: OffsetDateTime, signs_from: OffsetDateTime) -> KeyTimes {
        KeyTimes { id: id.to_owned(), created_at, signs_from }
    }

    #[test]
    fn the_first_key_signs_at_once_and_its_successor_later() {
        let plan = KeyPlan::of(&[], RULE, START);
        assert_eq!(plan, KeyPlan { make_signing_from: Some(START), retire: vec![] });
        let first = key("first", START, START);
        let almost = START + RULE.rotation - Duration::SECOND;
        assert!(KeyPlan::of(std::slice::from_ref(&first), RULE, almost).is_empty());
        let due = START + RULE.rotation;
        let plan = KeyPlan::of(&[first], RULE, due);
        assert_eq!(plan, KeyPlan { make_signing_from: Some(due + LEAD), retire: vec![] });
    }

    #[test]
    fn a_key_goes_when_its_last_token_is_over() {
        let due = START + RULE.rotation;
        let keys = [key("first", START, START), key("second", due, due + LEAD)];
        let end = due + LEAD + RULE.token_life + MARGIN;
        assert!(KeyPlan::of(&keys, RULE, end - Duration::SECOND).is_empty());
        assert_eq!(KeyPlan::of(&keys, RULE, end).retire, ["first"]);
    }

    #[test]
    fn after_a_long_sleep_a_successor_is_made_and_nothing_is_lost() {
        let late = START + RULE.rotation * 5;
        let plan = KeyPlan::of(&[key("first", START, START)], RULE, late);
        assert_eq!(plan, KeyPlan { make_signing_from: Some(late + LEAD), retire: vec![] });
    }
}
