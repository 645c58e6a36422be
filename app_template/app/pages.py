from .openapi import openapi
def docs_page(engine, app): return ""
