"""What Celery's commands load: ``celery -A make_celery worker``."""

from casino import create_app

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
