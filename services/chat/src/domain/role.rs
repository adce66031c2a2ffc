use super::UnknownName;

/// What a member is in a chat. The higher is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Of a channel: a subscriber.
    Member,
    /// Helps the owner.
    Admin,
    /// Exactly one of a group or channel.
    Owner,
}

impl Role {
    /// All of them, the highest first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// The stored form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// The role of a stored form.
    ///
    /// # Errors
    /// When it was stored by another version.
    pub fn from_store(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownName("role"))
    }

    /// Whether somebody of this role may remove or ban somebody of another: only who stands below.
    pub fn may_put_out(self, other: Self) -> bool {
        self > other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_puts_out_the_owner_or_their_equal() {
        for role in Role::ALL {
            assert!(!role.may_put_out(Role::Owner) && !role.may_put_out(role));
        }
        assert!(Role::Owner.may_put_out(Role::Admin) && Role::Admin.may_put_out(Role::Member));
        assert!(!Role::Member.may_put_out(Role::Admin));
    }
}
