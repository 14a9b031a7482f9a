"""Routes of the survey pages: in the fast lane, and whatever goes wrong is a page."""

from heardback.customer_pages import CustomerPages
from heardback.fast_lane import FastRoute, Handle


def page_route(pages: CustomerPages) -> type[FastRoute]:
    """Return the class of routes whose errors are answered with pages.

    They are in the API's description like all others; what they take is said by `openapi_extra`.
    What they wait for, the door's flushes, has an end to the waiting.
    """

    class PageRoute(FastRoute):
        def get_route_handler(self) -> Handle:
            return pages.friendly(super().get_route_handler())

    return PageRoute
