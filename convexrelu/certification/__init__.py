"""Certificates for networks trained elsewhere: their gaps, their units, and further training from them."""

from convexrelu.certification.certify_network import certify
from convexrelu.results.network_certificate import NetworkCertificate

__all__ = ["NetworkCertificate", "certify"]
