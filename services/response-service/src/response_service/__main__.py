"""Run response-service, or with the argument `migrate` bring its schema up to date."""

from heardback.service import main
from response_service import app
from response_service.settings import Settings

main(app.service(Settings()))
