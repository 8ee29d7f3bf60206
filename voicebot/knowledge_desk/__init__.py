"""The knowledge desk (知识台): what people do with entries in a browser, without HTTP and pages."""
