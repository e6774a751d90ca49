"""Who works on pending events, and when. The row is always the truth; a dispatcher only wakes."""
