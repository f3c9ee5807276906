"""Certificates: duality gaps from a primal point and a bound on ``M(v)``, in floats and in fractions."""

from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import certificate_of, price, price_and_certify
from convexrelu.certificates.proof_file import save_proof

__all__ = ["Certificate", "certificate_of", "price", "price_and_certify", "save_proof"]
