"""Server-rendered pages, by audience: passengers'.

Owns no table. Each page works as a plain form without JavaScript and calls the same services as the
API's routes. Every POST carries a form token; every address that a page sends a browser to is our
own, but for the gateway's hosted page.
"""
