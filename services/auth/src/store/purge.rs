use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use godwit_pg::Error;
use time::{Duration, OffsetDateTime};

use super::Store;
use super::schema::{
    challenges, email_codes, login_throttles, logins, password_resets, registrations, revocations, sessions, usernames,
};
use crate::domain::LOGIN_HISTORY;

/// Limits look back one day; a row untouched for longer says nothing any more.
const LIMIT_MEMORY: Duration = Duration::hours(25);

/// How many rows had ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Registrations nobody confirmed.
    pub registrations: usize,
    /// Names they held.
    pub usernames: usize,
    /// Codes and their limits.
    pub codes: usize,
    /// Failed logins.
    pub throttles: usize,
    /// Sessions nobody refreshed.
    pub sessions: usize,
    /// Revocations whose tokens have ended.
    pub revocations: usize,
    /// Reset tokens and their limits.
    pub resets: usize,
    /// Logins whose second factor never came.
    pub challenges: usize,
    /// Login history.
    pub logins: usize,
}

impl Purged {
    /// All of them.
    pub fn total(&self) -> usize {
        self.registrations
            + self.usernames
            + self.codes
            + self.throttles
            + self.sessions
            + self.revocations
            + self.resets
            + self.challenges
            + self.logins
    }
}

impl Store {
    /// Deletes what has ended. Every reader ignores ended rows, so this only frees space.
    pub async fn purge(&self, now: OffsetDateTime) -> Result<Purged, Error> {
        let mut conn = self.pool.get().await?;
        let quiet_since = now - LIMIT_MEMORY;
        let ended = registrations::table.filter(registrations::expires_at.le(now));
        let registrations = diesel::delete(ended).execute(&mut conn).await?;
        let usernames =
            diesel::delete(usernames::table.filter(usernames::held_until.le(now))).execute(&mut conn).await?;
        let quiet = email_codes::table.filter(email_codes::updated_at.le(quiet_since));
        let codes = diesel::delete(quiet).execute(&mut conn).await?;
        let quiet = login_throttles::table.filter(login_throttles::failed_at.le(quiet_since));
        let throttles = diesel::delete(quiet).execute(&mut conn).await?;
        let sessions = diesel::delete(sessions::table.filter(sessions::expires_at.le(now))).execute(&mut conn).await?;
        let ended = revocations::table.filter(revocations::expires_at.le(now));
        let revocations = diesel::delete(ended).execute(&mut conn).await?;
        let quiet = password_resets::table.filter(password_resets::updated_at.le(quiet_since));
        let resets = diesel::delete(quiet).execute(&mut conn).await?;
        let ended = challenges::table.filter(challenges::expires_at.le(now));
        let challenges = diesel::delete(ended).execute(&mut conn).await?;
        let old = logins::table.filter(logins::at.le(now - LOGIN_HISTORY));
        let logins = diesel::delete(old).execute(&mut conn).await?;
        Ok(Purged { registrations, usernames, codes, throttles, sessions, revocations, resets, challenges, logins })
    }
}
