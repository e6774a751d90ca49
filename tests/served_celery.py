"""The casino for Celery's own processes: ``celery -A served_celery:celery_app worker``."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery import Task
from flask import Flask
from served_casino import create_app


def init_celery(app: Flask) -> Celery:
    """Flask's documented pattern."""

    class FlaskTask(Task):  # type: ignore[misc]  # Celery publishes no types
        def __call__(self, *args: object, **kwargs: object) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


flask_app = create_app()
celery_app = init_celery(flask_app)
