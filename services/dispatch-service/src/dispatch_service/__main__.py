"""Run dispatch-service, or with the argument `migrate` bring its schema up to date."""

from dispatch_service import app
from dispatch_service.settings import Settings
from heardback.service import main

main(app.service(Settings()))
