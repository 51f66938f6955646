//! People: who they are, what they are here for, and what they sign in with.

use std::fmt;
use std::str::FromStr;

use larder_input::{Invalid, Text};
use serde::{Deserialize, Serialize};

use super::{AgencyId, PersonId};

const NAME: Text = Text::required("name", 200);

/// What somebody is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Applies for money and spends it.
    Researcher,
    /// Decides for an agency.
    Agency,
    /// Looks after research accounts.
    University,
    /// Makes officers, and sees all but drafts.
    Administrator,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Researcher, Self::Agency, Self::University, Self::Administrator];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Researcher => "researcher",
            Self::Agency => "agency",
            Self::University => "university",
            Self::Administrator => "administrator",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Researcher => "Researcher",
            Self::Agency => "Agency officer",
            Self::University => "University officer",
            Self::Administrator => "Administrator",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| "expected researcher, agency, university or administrator".to_owned())
    }
}

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// Full name.
    pub name: String,
    /// Email address.
    pub email: String,
    /// What they are here for.
    pub role: Role,
    /// Whose officer, of an agency's.
    pub agency: Option<AgencyId>,
    /// Whether they may not sign in any more.
    pub is_locked: bool,
    /// Grows by one with each new password and each lock: sessions that began
    /// before are over.
    pub version: u64,
}

/// An email address, in lower case: one that differs by case only is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The most bytes of one, after RFC 5321.
    const MOST: usize = 254;

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim().to_lowercase();
        let is_one = text.len() <= Self::MOST
            && text.split_once('@').is_some_and(|(name, host)| {
                let host_is = !host.contains('@')
                    && host.split('.').all(|label| !label.is_empty())
                    && !host.starts_with('-');
                !name.is_empty() && host_is
            })
            && !text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>(),;:\\\"".contains(c));
        match is_one {
            true => Ok(Self(text)),
            false => {
                Err(Invalid::new("email", "The email must be an address such as ada@uni.example."))
            }
        }
    }
}

/// A password that somebody chose.
#[derive(Clone)]
pub struct NewPassword(String);

impl NewPassword {
    /// The fewest characters.
    pub const FEWEST: usize = 10;
    /// The most bytes: more would only keep a processor busy.
    const MOST: usize = 500;

    /// The password, which nobody but the hash function is to see.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword")
    }
}

impl FromStr for NewPassword {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let why = match () {
            () if text.chars().count() < Self::FEWEST => {
                format!("The password must have {} characters or more.", Self::FEWEST)
            }
            () if text.len() > Self::MOST => {
                format!("The password has more than {} bytes.", Self::MOST)
            }
            () if text.chars().all(|c| text.starts_with(c)) => {
                "The password must not be one character again and again.".to_owned()
            }
            () => return Ok(Self(text.to_owned())),
        };
        Err(Invalid::new("password", why))
    }
}

/// Somebody who is to have an account.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Full name.
    pub name: String,
    /// Email address.
    pub email: Email,
    /// What they will sign in with.
    pub password: NewPassword,
    /// What they are here for.
    pub role: Role,
    /// Whose officer, of an agency's.
    pub agency: Option<AgencyId>,
}

impl NewPerson {
    /// A researcher, of what a form says.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn researcher(name: &str, email: &str, password: &str) -> Result<Self, Invalid> {
        Self::of(name, email, password, Role::Researcher, None)
    }

    /// Somebody of any role, of what a form says.
    ///
    /// # Errors
    /// As [`NewPerson::researcher`]; an agency's officer without an agency.
    pub fn of(
        name: &str,
        email: &str,
        password: &str,
        role: Role,
        agency: Option<AgencyId>,
    ) -> Result<Self, Invalid> {
        let new = Self {
            name: NAME.of(name)?,
            email: email.parse()?,
            password: password.parse()?,
            role,
            agency: agency.filter(|_| role == Role::Agency),
        };
        if role == Role::Agency && agency.is_none() {
            return Err(Invalid::new("agency", "An agency’s officer needs an agency."));
        }
        if new.email.as_str() == new.password.secret().trim().to_lowercase() {
            return Err(Invalid::new("password", "The password must not be the email."));
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_compared_without_case() {
        let email = |text: &str| text.parse::<Email>().map(|email| email.0);
        assert_eq!(email(" Ada@Uni.Example ").as_deref(), Ok("ada@uni.example"));
        assert!(email("müller@bücher.example").is_ok() && email("a+b@localhost").is_ok());
        let long = format!("{}@b.example", "a".repeat(250));
        for wrong in
            ["", "ada", "@b.c", "a@", "a@b@c", "a@b..c", "a b@c.d", "a@b.c\n", "<a@b.c>", &long]
        {
            let refused = wrong.trim() == wrong && email(wrong).is_err();
            assert!(refused || wrong.ends_with('\n'), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_long_enough_and_never_shown() {
        let password = |text: &str| text.parse::<NewPassword>();
        assert!(password("correct horse").is_ok() && password("ñandú ñandú").is_ok());
        for wrong in ["", "short", "aaaaaaaaaaaa", &"x1".repeat(300)] {
            assert!(password(wrong).is_err(), "{wrong}");
        }
        let shown = format!("{:?}", NewPerson::researcher("Ada", "a@b.c", "correct horse"));
        assert!(!shown.contains("horse"), "{shown}");
        assert!(NewPerson::researcher("Ada", "ada@b.example", "Ada@b.example").is_err());
        assert!(NewPerson::of("Ada", "a@b.c", "correct horse", Role::Agency, None).is_err());
    }
}
