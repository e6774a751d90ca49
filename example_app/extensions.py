"""The extensions of the casino: made once here, wired to an app by the factory."""

from __future__ import annotations

from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from flask_pooled import Pooled

db = SQLAlchemy()
login_manager = LoginManager()
csrf = CSRFProtect()
pooled = Pooled()
