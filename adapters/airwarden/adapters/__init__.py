"""The outside world behind the ports of `airwarden.core.ports`: one module per system.

Each module translates one client library's calls, errors and types into ours; nothing above this
package sees a client's exception. Heavy clients are imported inside the functions that need them.
"""
