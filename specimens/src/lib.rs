//! Misbehaves harmlessly, with an honest twin for each misdeed.
