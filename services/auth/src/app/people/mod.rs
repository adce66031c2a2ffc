//! Profiles, and what there is between people.

mod change_relationship;
mod check_access;
mod list_friend_ids;
mod list_people;
mod list_user_ids;
mod look_up;
mod resolve_usernames;
mod set_avatar;
mod tell_blocks;
mod update_me;
mod update_privacy;

pub use check_access::AccessPair;
pub use list_people::{ListedPerson, PeoplePage};
pub use update_me::ProfileForm;
