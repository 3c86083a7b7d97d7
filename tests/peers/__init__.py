"""Firn among the programs that hospitals have: DCMTK, Orthanc and pynetdicom's, as clients and as servers."""
